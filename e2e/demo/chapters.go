package main

type chapter struct {
	title string
	stops []stop
}

// chapters is the story that the demo tells.
func chapters() []chapter {
	return []chapter{
		{"The platform team sets up the way out", platformStops()},
		{"A team maps its app", mappingStops()},
		{"Mistakes and attacks", refusedStops()},
		{"Nothing was harmed", closingStops()},
	}
}

func platformStops() []stop {
	return []stop{
		{
			say: "The egress namespace, the waypoint that originates mTLS, and the filter that tells it who calls.",
			as:  "platform", args: []string{"apply"}, file: "deploy/platform/platform.yaml",
		},
		{
			say: "A real host for all teams. Without the label istio.io/use-waypoint its traffic would leave in plaintext. The manifest forgot it; sallyport adds it.",
			as:  "platform", args: []string{"apply"}, file: "deploy/platform/shared-host.yaml",
			stored: "serviceentry/nginx-mesh-external-se", namespace: "istio-egress",
		},
	}
}

func mappingStops() []stop {
	return []stop{
		{
			say: "app1's mapping, complete: a synthetic host, its own certificate, a route for its identity alone. Admitted as it is.",
			as:  "team-namespace", args: []string{"apply"}, file: "deploy/examples/app1.yaml",
		},
		{
			say: "app2's mapping, with the obvious left out. sallyport completes it.",
			as:  "team-namespace", args: []string{"apply"}, file: "deploy/examples/app2-short.yaml",
			stored: "destinationrule/app2-nginx", namespace: "team-namespace",
		},
		{
			say: "The short manifest stays true: compared with the cluster, it shows no difference ...",
			as:  "team-namespace", args: []string{"diff"}, file: "deploy/examples/app2-short.yaml", silent: true,
		},
		{
			say: "... and applied again, it changes nothing. kubectl says \"configured\" where it sent a patch; what is stored is the same version as before.",
			as:  "team-namespace", args: []string{"apply"}, file: "deploy/examples/app2-short.yaml", unchanged: true,
		},
	}
}

func refusedStops() []stop {
	return []stop{
		{
			say: "team-a presents the certificate of team-b. Istio would let it.",
			as:  "team-a", args: []string{"create"}, refused: "SP101",
			manifest: `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: borrow}
spec:
  host: app1.team-a.my-nginx.foo.bar.invalid
  trafficPolicy:
    tls: {mode: MUTUAL, credentialName: team-b/app1, subjectAltNames: [my-nginx.foo.bar]}`,
		},
		{
			say: "The same in another spelling that istiod understands, in a place that is easy to forget.",
			as:  "team-a", args: []string{"create"}, refused: "SP101",
			manifest: `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: borrow-quietly}
spec:
  host: app1.team-a.my-nginx.foo.bar.invalid
  trafficPolicy:
    tls: {mode: MUTUAL, credentialName: team-a/app1, subjectAltNames: [my-nginx.foo.bar]}
  subsets:
    - name: v1
      trafficPolicy:
        portLevelSettings:
          - port: {number: 443}
            tls: {mode: MUTUAL, credentialName: kubernetes://team-b/app1/x, subjectAltNames: [my-nginx.foo.bar]}`,
		},
		{
			say: "team-a presents the waypoint's own mesh identity.",
			as:  "team-a", args: []string{"create"}, refused: "SP102",
			manifest: `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: impersonate}
spec:
  host: app1.team-a.my-nginx.foo.bar.invalid
  trafficPolicy:
    tls: {mode: MUTUAL, credentialName: "builtin://", subjectAltNames: [my-nginx.foo.bar]}`,
		},
		{
			say: "team-a sends its requests to the synthetic host of another team, which has that team's certificate.",
			as:  "team-a", args: []string{"create"}, refused: "SP103",
			manifest: `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: borrow-host}
spec:
  parentRefs:
    - {group: networking.istio.io, kind: ServiceEntry, namespace: istio-egress, name: nginx-mesh-external-se}
  rules:
    - matches:
        - headers: [{name: "%%source.principal%%", value: spiffe://cluster.local/ns/team-a/sa/app1}]
      backendRefs:
        - {group: networking.istio.io, kind: Hostname, name: app1.team-namespace.my-nginx.foo.bar.invalid, port: 443}`,
		},
		{
			say: "team-a captures everyone's requests to the shared host: the second match asks for no identity, and matches are alternatives.",
			as:  "team-a", args: []string{"create"}, refused: "SP201",
			manifest: `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: capture}
spec:
  parentRefs:
    - {group: networking.istio.io, kind: ServiceEntry, namespace: istio-egress, name: nginx-mesh-external-se}
  rules:
    - matches:
        - headers: [{name: "%%source.principal%%", value: spiffe://cluster.local/ns/team-a/sa/app1}]
        - path: {type: PathPrefix, value: /api}
      backendRefs:
        - {group: networking.istio.io, kind: Hostname, name: app1.team-a.my-nginx.foo.bar.invalid, port: 443}`,
		},
		{
			say: "A header value that is an instruction to Envoy copies the internal identity to the outside.",
			as:  "team-a", args: []string{"create"}, refused: "SP301",
			manifest: `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: leak}
spec:
  parentRefs:
    - {group: networking.istio.io, kind: ServiceEntry, namespace: istio-egress, name: nginx-mesh-external-se}
  rules:
    - matches:
        - headers: [{name: "%%source.principal%%", value: spiffe://cluster.local/ns/team-a/sa/app1}]
      backendRefs:
        - group: networking.istio.io
          kind: Hostname
          name: app1.team-a.my-nginx.foo.bar.invalid
          port: 443
          filters:
            - type: RequestHeaderModifier
              requestHeaderModifier:
                set: [{name: x-caller, value: "%REQ(%%source.principal%%)%"}]`,
		},
		{
			say: "A mistake: the settings of port 443 inherit nothing, so TLS is gone there. Istio would send plaintext without a word.",
			as:  "team-a", args: []string{"create"}, refused: "SP401",
			manifest: `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: wiped}
spec:
  host: app1.team-a.my-nginx.foo.bar.invalid
  trafficPolicy:
    tls: {mode: MUTUAL, credentialName: team-a/app1, subjectAltNames: [my-nginx.foo.bar]}
    portLevelSettings:
      - port: {number: 443}
        connectionPool: {tcp: {maxConnections: 10}}`,
		},
		{
			say: "team-a declares a synthetic host in the name of team-b.",
			as:  "team-a", args: []string{"create"}, refused: "SP501",
			manifest: `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: squat}
spec:
  hosts: [app1.team-b.my-nginx.foo.bar.invalid]
  ports: [{number: 443, name: https, protocol: HTTPS}]
  resolution: DNS
  endpoints: [{address: my-nginx.foo.bar}]`,
		},
		{
			say: "A second ServiceEntry for a host that is taken. Istio would silently use the older one.",
			as:  "team-namespace", args: []string{"create"}, refused: "SP502",
			manifest: `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: again}
spec:
  hosts: [app1.team-namespace.my-nginx.foo.bar.invalid]
  ports: [{number: 443, name: https, protocol: HTTPS}]
  resolution: DNS
  endpoints: [{address: my-nginx.foo.bar}]`,
		},
		{
			say: "A synthetic host whose endpoint is the node's metadata service: the waypoint could reach it, the tenant never could.",
			as:  "team-a", args: []string{"create"}, refused: "SP105",
			manifest: `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: inside}
spec:
  hosts: [app1.team-a.my-nginx.foo.bar.invalid]
  ports: [{number: 443, name: https, protocol: HTTPS}]
  resolution: DNS
  endpoints: [{address: 169.254.169.254}]`,
		},
		{
			say: "Two mistakes at once get one answer that names both. The platform team is not exempt, either: a typo in the waypoint's name means plaintext.",
			as:  "platform", args: []string{"create"}, refused: "SP002",
			manifest: `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: typo, namespace: istio-egress, labels: {istio.io/use-waypoint: egress-wayponit}}
spec:
  hosts: [other.foo.bar]
  location: MESH_EXTERNAL
  ports: [{number: 80, name: http, protocol: HTTP}]`,
		},
		{
			say: "A dry run gets the same answer, and changes nothing.",
			as:  "team-a", args: []string{"create", "--dry-run=server"}, refused: "SP501",
			manifest: `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: squat}
spec:
  hosts: [App1.team-a.my-nginx.foo.bar.invalid]
  ports: [{number: 443, name: https, protocol: HTTPS}]
  resolution: DNS
  endpoints: [{address: my-nginx.foo.bar}]`,
		},
	}
}

func closingStops() []stop {
	return []stop{
		{
			say: "What is off the egress path is not sallyport's business: an ordinary DestinationRule for a service of the mesh.",
			as:  "team-b", args: []string{"create"},
			manifest: `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ordinary}
spec:
  host: reviews
  trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}
  subsets: [{name: v1, labels: {version: v1}}]`,
		},
		{
			say: "This is all that the cluster holds.",
			as:  "platform", args: []string{"get", "serviceentries,destinationrules,httproutes", "-A"},
		},
	}
}

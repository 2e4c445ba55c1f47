package policy

// Rules returns every rule, sorted by id.
func Rules() []*Rule {
	return []*Rule{
		bindExternal(),
		waypointResolves(),
		syntheticUnbound(),
		ownCredential(),
		noWaypointCredential(),
		ownBackend(),
		safeEndpoint(),
		ownPrincipal(),
		noFormatOperators(),
		principalHeaderUntouched(),
		mutualEverywhere(),
		verifiedServer(),
		hostForm(),
		uniqueHost(),
	}
}

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-logr/zapr"
	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	ctrlwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"

	"sallyport.dev/policy"
	"sallyport.dev/webhook"
)

type serveFlags struct {
	config        string
	kubeconfig    string
	host          string
	port          int
	certDir       string
	metricsAddr   string
	healthAddr    string
	shutdownDelay time.Duration
	drainTimeout  time.Duration
	logLevel      string
	logFormat     string
}

func newServe() *cobra.Command {
	var flags serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the admission webhook",
		Long: `serve runs the admission webhook: /mutate and /validate over HTTPS, /healthz
and /readyz, and Prometheus metrics under /metrics. It is ready once it has
read the cluster; before that it answers every review with "not judged, try
again".

On SIGTERM it first reports not ready for the shutdown delay, so that no new
reviews come, then answers what is under way, and ends.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), &flags)
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.config, "config", "", "configuration file (default: the built-in names)")
	f.StringVar(&flags.kubeconfig, "kubeconfig", "", "kubeconfig file (default: $KUBECONFIG, else the Pod's service account)")
	f.StringVar(&flags.host, "host", "", "address to serve the webhook on (default: all)")
	f.IntVar(&flags.port, "port", 9443, "port to serve the webhook on")
	f.StringVar(&flags.certDir, "cert-dir", "/etc/sallyport/certs", "directory with tls.crt and tls.key, read again when they change")
	f.StringVar(&flags.metricsAddr, "metrics-address", ":8080", "address of the metrics; 0 for none")
	f.StringVar(&flags.healthAddr, "health-address", ":8081", "address of /healthz and /readyz; 0 for none")
	f.DurationVar(&flags.shutdownDelay, "shutdown-delay", 5*time.Second, "how long to go on serving, not ready, after SIGTERM")
	f.DurationVar(&flags.drainTimeout, "drain-timeout", 20*time.Second, "how long reviews that are under way may take to end after that")
	f.StringVar(&flags.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&flags.logFormat, "log-format", "json", "json or console")
	return cmd
}

func serve(ctx context.Context, flags *serveFlags) error {
	logger, err := newLogger(flags.logLevel, flags.logFormat)
	if err != nil {
		return err
	}
	defer func() { _ = logger.Sync() }()
	log := zapr.NewLogger(logger)
	ctrl.SetLogger(log)
	klog.SetLogger(log)

	config, err := loadConfig(flags.config)
	if err != nil {
		return err
	}
	cluster, err := restConfig(flags.kubeconfig)
	if err != nil {
		return err
	}
	manager, err := newManager(cluster, config, flags)
	if err != nil {
		return err
	}
	log.Info("sallyport starts", "version", buildVersion(), "rules", len(policy.Rules()), "egressWaypoints", config.EgressWaypoints)
	return manager.run(ctx)
}

// server is the manager with what its readiness depends on.
type server struct {
	ctrl.Manager
	delay    time.Duration
	draining atomic.Bool
}

func newManager(cluster *rest.Config, config *policy.Config, flags *serveFlags) (*server, error) {
	client, err := dynamic.NewForConfig(cluster)
	if err != nil {
		return nil, err
	}
	manager, err := ctrl.NewManager(cluster, ctrl.Options{
		Metrics:                metricsserver.Options{BindAddress: flags.metricsAddr},
		HealthProbeBindAddress: flags.healthAddr,
		WebhookServer: ctrlwebhook.NewServer(ctrlwebhook.Options{
			Host: flags.host, Port: flags.port, CertDir: flags.certDir,
			TLSOpts: []func(*tls.Config){func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }},
		}),
		GracefulShutdownTimeout: &flags.drainTimeout,
	})
	if err != nil {
		return nil, err
	}
	s := &server{Manager: manager, delay: flags.shutdownDelay}
	rules := policy.Rules()
	mirror := webhook.NewMirror(client, webhook.WorldKinds(rules), manager.GetLogger().WithName("world"))
	mirror.ObserveWorld(metrics.Registry)
	judge := &webhook.Judge{
		Rules:   rules,
		Config:  config,
		World:   webhook.World{World: mirror.World(), Missing: mirror.Missing},
		Metrics: webhook.NewMetrics(metrics.Registry),
		Log:     manager.GetLogger().WithName("judge"),
		Today:   today,
	}
	hooks := manager.GetWebhookServer() // asking for it makes the manager run it
	for path, handler := range judge.Handlers() {
		hooks.Register(path, handler)
	}
	return s, errors.Join(
		manager.Add(mirror),
		manager.AddHealthzCheck("ping", func(*http.Request) error { return nil }),
		manager.AddReadyzCheck("webhook", hooks.StartedChecker()),
		manager.AddReadyzCheck("world", func(*http.Request) error {
			if missing := mirror.Unlisted(); len(missing) > 0 {
				return fmt.Errorf("still reading the cluster: %v", missing)
			}
			return nil
		}),
		manager.AddReadyzCheck("draining", func(*http.Request) error {
			if s.draining.Load() {
				return errors.New("shutting down")
			}
			return nil
		}),
	)
}

// run serves until a signal, then drains. A second signal ends at once.
func (s *server) run(ctx context.Context) error {
	signalled, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	go func() {
		<-signalled.Done()
		stop()
		s.draining.Store(true)
		s.GetLogger().Info("shutting down", "delay", s.delay)
		select {
		case <-time.After(s.delay):
		case <-serving.Done():
		}
		end()
	}()
	return s.Start(serving)
}

func restConfig(kubeconfig string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
}

func newLogger(level, format string) (*zap.Logger, error) {
	config := zap.NewProductionConfig()
	config.EncoderConfig.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	config.Sampling = nil // a denial must not get lost
	if err := config.Level.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q is not one of debug, info, warn, error", level)
	}
	switch format {
	case "json":
	case "console":
		config.Encoding = "console"
	default:
		return nil, fmt.Errorf("log format %q is not one of json, console", format)
	}
	return config.Build()
}

package certs

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"
)

func TestSelfSigned(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	pair, err := SelfSigned([]string{"sallyport.sallyport-system.svc", "127.0.0.1"}, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	keyPair, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pair.CA) {
		t.Fatal("the CA is not PEM")
	}
	for _, tt := range []struct {
		name, host string
		at         time.Time
		valid      bool
	}{
		{"by name", "sallyport.sallyport-system.svc", now, true},
		{"by address", "127.0.0.1", now, true},
		{"with a slow clock", "127.0.0.1", now.Add(-time.Minute), true},
		{"another host", "localhost", now, false},
		{"expired", "127.0.0.1", now.Add(2 * time.Hour), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := keyPair.Leaf.Verify(x509.VerifyOptions{DNSName: tt.host, Roots: pool, CurrentTime: tt.at})
			if (err == nil) != tt.valid {
				t.Errorf("Verify: %v, want valid: %v", err, tt.valid)
			}
		})
	}
	if _, err := SelfSigned(nil, now, time.Hour); err == nil {
		t.Error("a certificate for no host was made")
	}
}

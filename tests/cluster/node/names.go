package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/reload"
)

// serveNames runs CoreDNS with the plugins that a cluster needs. All of its plugins would bring the client libraries
// of three clouds along.
func serveNames() {
	dnsserver.Directives = []string{"bind", "health", "reload", "errors", "cache", "kubernetes", "forward"}
	coremain.Run()
}

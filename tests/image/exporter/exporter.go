//go:build tools

// Package exporter names the version of redis_exporter that the tests build; go.mod pins it.
package exporter

import _ "github.com/oliver006/redis_exporter"

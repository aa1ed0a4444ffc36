// Package schema reads the configuration language of pegmigrate (HCL) into typed, checked
// migrations. It is pure: it reads files and nothing else, neither network, clock nor environment.
package schema

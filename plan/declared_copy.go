package plan

import "github.com/pegmigrate/pegmigrate/schema"

// DeclaredOptions are the options of a declared copy in the form that actions carry, the zero value for other methods.
func DeclaredOptions(m *schema.Migration) CopyOptions {
	if method, ok := m.Method.(*schema.CopyMethod); ok {
		return copyOptions(method)
	}
	return CopyOptions{}
}

// DeclaredLimits are declared limits in the form that actions carry.
func DeclaredLimits(l schema.Limits) CopyLimits { return copyLimits(l) }

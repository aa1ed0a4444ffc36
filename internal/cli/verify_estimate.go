package cli

import (
	"context"
)

// estimate compares a sample or counts.
func (v *verification) estimate(ctx context.Context) error {
	return failf(codeNotYet, "-mode full compares everything", "-mode %s is not in this release", v.mode)
}

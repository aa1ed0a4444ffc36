package view

import (
	"io"

	"github.com/pegmigrate/pegmigrate/plan"
)

// PlanJSON writes a plan as `plan -out` saves it, byte for byte: one format to learn, and what a
// program reads is what apply would read. Its version is the field format_version. The error is
// that of w, or of an action that cannot be encoded.
func PlanJSON(w io.Writer, p *plan.Plan) error {
	data, err := plan.Encode(p)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

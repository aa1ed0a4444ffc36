package schema

// Code is the stable name of a kind of mistake in a configuration, "PM1001".
type Code string

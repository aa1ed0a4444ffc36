package sandbox

import (
	"fmt"
	"strconv"
)

// jsonObject writes a JSON object field by field, in the order given, as the
// table_printer of servers does: every value is a string. The zero value is empty.
type jsonObject struct{ b []byte }

// field appends one field; value is printed as %v and quoted.
func (o *jsonObject) field(name string, value any) {
	o.name(name)
	o.b = appendJSONString(o.b, fmt.Sprint(value))
}

// object appends a field that is an object itself.
func (o *jsonObject) object(name string, inner *jsonObject) {
	o.name(name)
	o.b = append(append(append(o.b, '{'), inner.b...), '}')
}

// number appends a field with a bare number, which only the replica server's own
// calls have.
func (o *jsonObject) number(name string, value int) {
	o.name(name)
	o.b = strconv.AppendInt(o.b, int64(value), 10)
}

// raw appends a field whose value is JSON already.
func (o *jsonObject) raw(name, value string) {
	o.name(name)
	o.b = append(o.b, value...)
}

func (o *jsonObject) name(name string) {
	if len(o.b) > 0 {
		o.b = append(o.b, ',')
	}
	o.b = append(appendJSONString(o.b, name), ':')
}

// text is the whole object.
func (o *jsonObject) text() string { return "{" + string(o.b) + "}" }

// line is the whole object and the line end that table_printer writes.
func (o *jsonObject) line() string { return o.text() + "\n" }

// appendJSONString quotes s as rapidjson does, which leaves everything but quotes,
// backslashes and control characters alone.
func appendJSONString(b []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\t':
			b = append(b, '\\', 't')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// row appends a row of a table of several columns: names and values in turn. Its
// first value is the name of the row too.
func (o *jsonObject) row(namesAndValues ...any) {
	var inner jsonObject
	for i := 0; i+1 < len(namesAndValues); i += 2 {
		inner.field(fmt.Sprint(namesAndValues[i]), namesAndValues[i+1])
	}
	o.object(fmt.Sprint(namesAndValues[1]), &inner)
}

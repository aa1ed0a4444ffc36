package sandbox

import "fmt"

// Flags are the values that a flag has now, one for each replica server in their order; "" where it is unknown.
func (c *Cluster) Flags(name string) []string {
	out := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		f, _ := n.srv.flag(name)
		out[i] = f.Value
	}
	return out
}

// SetFlag changes a flag of one replica server until it ends, as its HTTP updateConfig does.
func (c *Cluster) SetFlag(server int, name, value string) error {
	if server < 0 || server >= len(c.nodes) {
		return fmt.Errorf("sandbox: there is no replica server %d", server)
	}
	if answer := c.nodes[server].srv.setFlag(name, value); answer != "ERR_OK" {
		return fmt.Errorf("sandbox: %s", answer)
	}
	return nil
}

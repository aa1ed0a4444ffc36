package idl

// RemoteCommandRequest runs a command of the shell's remote_command on any server
// (command.thrift).
type RemoteCommandRequest struct {
	Cmd       string
	Arguments []string
}

// AppendTo implements Message.
func (m *RemoteCommandRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.Cmd)
	b = putStrings(b, 2, m.Arguments)
	return append(b, tStop)
}

// Decode implements Message.
func (m *RemoteCommandRequest) Decode(d *Decoder) {
	*m = RemoteCommandRequest{}
	for d.next("RemoteCommandRequest") {
		switch d.id {
		case 1:
			m.Cmd = d.str()
		case 2:
			m.Arguments = d.strings()
		default:
			d.skip()
		}
	}
}

// RemoteCommandResponse is the output of a command, as text. An unknown command is
// no error on the wire: the text says so.
type RemoteCommandResponse struct {
	Output string
}

// AppendTo implements Message. The result is a bare string.
func (m *RemoteCommandResponse) AppendTo(b []byte) []byte { return rawString(b, m.Output) }

// Decode implements Message.
func (m *RemoteCommandResponse) Decode(d *Decoder) { m.Output = d.rawString() }

func (m *RemoteCommandResponse) thriftType() byte { return tString }

package sandbox

// getFlag tells everything about one flag. An unknown one is no HTTP error.
func getFlag(s *server, req *httpRequest) httpResponse {
	if !req.only("name") {
		return badRequest("")
	}
	name := req.args["name"]
	f, ok := s.flag(name)
	if !ok {
		return httpResponse{body: flagNotFound(name)}
	}
	return httpResponse{body: f.json().line()}
}

// listFlags tells everything about all flags.
func listFlags(s *server, req *httpRequest) httpResponse {
	if len(req.args) > 0 {
		return badRequest("")
	}
	var out jsonObject
	for _, f := range s.allFlags() {
		out.object(f.Name, f.json())
	}
	return httpResponse{body: out.line()}
}

// updateConfig changes one flag. What became of it is in the text, the HTTP status
// is always 200.
func updateConfig(s *server, req *httpRequest) httpResponse {
	status := "ERR_INVALID_PARAMETERS: there should be exactly one config to be updated once"
	if len(req.args) == 1 {
		for name, value := range req.args {
			status = s.setFlag(name, value)
		}
	}
	var out jsonObject
	out.field("update_status", status)
	return httpResponse{body: out.line()}
}

func flagNotFound(name string) string { return "ERR_OBJECT_NOT_FOUND: " + name + " is not found" }

// json is the flag as /config shows it.
func (f flag) json() *jsonObject {
	out := &jsonObject{}
	out.field("name", f.Name)
	out.field("section", f.Section)
	out.field("type", f.Type)
	out.field("tags", f.Tags)
	out.field("description", f.Description)
	out.field("value", f.Value)
	return out
}

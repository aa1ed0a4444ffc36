package sandbox

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// addresses are the recorded addresses and those that stand for them here.
func (w *world) addresses() map[string]string {
	m := map[string]string{fmt.Sprintf("127.0.0.1:%d", recordedMeta): w.c.metas[0].srv.addr}
	for i, n := range w.c.nodes {
		m[fmt.Sprintf("127.0.0.1:%d", recordedReplicas+i)] = n.srv.addr
	}
	return m
}

// here replaces recorded addresses in a text.
func (w *world) here(text string) string {
	for from, to := range w.addresses() {
		text = strings.ReplaceAll(text, from, to)
	}
	return text
}

// localise replaces recorded addresses in a message, and ids of scan contexts by
// those that the sandbox gave out. It reports whether there were any.
func (w *world) localise(m idl.Message) bool {
	changed := false
	if s, ok := m.(*idl.ScanRequest); ok {
		if id, ok := w.contexts[s.ContextID]; ok {
			s.ContextID, changed = id, true
		}
	}
	return w.localiseValue(reflect.ValueOf(m)) || changed
}

func (w *world) localiseValue(v reflect.Value) bool {
	changed := false
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return !v.IsNil() && w.localiseValue(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			changed = w.localiseValue(v.Field(i)) || changed
		}
	case reflect.Slice:
		for i := range v.Len() {
			changed = w.localiseValue(v.Index(i)) || changed
		}
	case reflect.String:
		if text := w.here(v.String()); v.CanSet() && text != v.String() {
			v.SetString(text)
			return true
		}
	case reflect.Uint64:
		addr, ok := v.Interface().(idl.Addr)
		if !ok || addr.IsZero() {
			return false
		}
		to, err := idl.ParseAddr(w.here(addr.String()))
		if err != nil {
			w.t.Fatal(err)
		}
		if to != addr {
			v.Set(reflect.ValueOf(to))
			return true
		}
	}
	return changed
}

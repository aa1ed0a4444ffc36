package metaproxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/go-zookeeper/zk"
)

// EnvIdentity is the environment variable that holds who we are to ZooKeeper: "digest:user:password".
const EnvIdentity = "PEGMIGRATE_ZK_AUTH"

// Identity is who we are to ZooKeeper. The zero value is nobody in particular.
type Identity struct {
	user, password string
	bad            error // every use fails with it
}

// IdentityFrom finds EnvIdentity in an environment as os.Environ gives it. One that cannot be read
// is an error of every call that uses it: without it we would be somebody else.
func IdentityFrom(environ []string) Identity {
	for _, e := range environ {
		if text, ok := strings.CutPrefix(e, EnvIdentity+"="); ok {
			id, err := ParseIdentity(text)
			if err != nil {
				id.bad = fmt.Errorf("%w: %s: %w", ErrDenied, EnvIdentity, err)
			}
			return id
		}
	}
	return Identity{}
}

// ParseIdentity reads "digest:user:password"; "" is nobody in particular. Only the scheme digest is
// known. The error does not repeat the password.
func ParseIdentity(s string) (Identity, error) {
	if s == "" {
		return Identity{}, nil
	}
	scheme, rest, _ := strings.Cut(s, ":")
	if scheme != "digest" {
		return Identity{}, errors.New("only digest:user:password is known as an identity for ZooKeeper")
	}
	user, password, ok := strings.Cut(rest, ":")
	if !ok || user == "" || password == "" {
		return Identity{}, errors.New("an identity for ZooKeeper has the form digest:user:password")
	}
	return Identity{user: user, password: password}, nil
}

// known tells whether there is anything to say to the server.
func (i Identity) known() bool { return i.user != "" }

// Access is what the ACL of a record says about our right to change it. Nothing was tried.
type Access struct {
	Writable bool
	// Reason says who may when we may not, or on what the right rests when that is not certain.
	Reason string
}

// access judges an ACL for us; local is our address as far as we know it ourselves.
func (i Identity) access(acl []zk.ACL, local net.Addr) Access {
	var others []string
	for _, a := range acl {
		if a.Perms&zk.PermWrite == 0 {
			continue
		}
		switch a.Scheme {
		case "world":
			if a.ID == "anyone" {
				return Access{Writable: true}
			}
		case "digest":
			user, hash, _ := strings.Cut(a.ID, ":")
			mine := zk.DigestACL(zk.PermWrite, i.user, i.password)[0].ID
			// Servers write x for the hash when the asker has no ADMIN right.
			if i.known() && (a.ID == mine || user == i.user && hash == "x") {
				return Access{Writable: true}
			}
			others = append(others, "digest:"+user)
			continue
		case "ip":
			if within(a.ID, local) {
				return Access{Writable: true, Reason: "by our address, which the ACL lists (" + a.ID + ")"}
			}
		}
		others = append(others, a.Scheme+":"+a.ID)
	}
	if i.user == "super" {
		// The server's superuser passes every ACL; whether we are it shows only at the first write.
		return Access{Writable: true, Reason: "if the server takes us for its superuser"}
	}
	if len(others) == 0 {
		return Access{Reason: "the ACL lets nobody write"}
	}
	return Access{Reason: fmt.Sprintf("the ACL lets only %s write; %s=digest:user:password gives an identity",
		strings.Join(others, ", "), EnvIdentity)}
}

// within tells whether our address is in an ACL's "address" or "address/bits".
func within(id string, local net.Addr) bool {
	tcp, ok := local.(*net.TCPAddr)
	if !ok {
		return false
	}
	ip := tcp.AddrPort().Addr().Unmap()
	if prefix, err := netip.ParsePrefix(id); err == nil {
		return prefix.Contains(ip)
	}
	addr, err := netip.ParseAddr(id)
	return err == nil && addr.Unmap() == ip
}

package zookeeper

import (
	"crypto/sha1"
	"encoding/base64"
	"net/netip"
	"slices"
	"strings"
)

// ID is who somebody is under a scheme: world:anyone, digest:user:hash, ip:address.
type ID struct{ Scheme, ID string }

// ACL gives an ID permissions.
type ACL struct {
	Perms int32
	ID    ID
}

// OpenACL lets everybody do everything.
func OpenACL() []ACL { return []ACL{{PermAll, ID{"world", "anyone"}}} }

// DigestID is who "user:password" is (DigestAuthenticationProvider.generateDigest).
func DigestID(user, password string) ID {
	sum := sha1.Sum([]byte(user + ":" + password))
	return ID{"digest", user + ":" + base64.StdEncoding.EncodeToString(sum[:])}
}

// allowed tells whether one of ids has one of the permissions.
func allowed(acl []ACL, perm int32, ids []ID) bool {
	for _, a := range acl {
		if a.Perms&perm == 0 {
			continue
		}
		if a.ID == (ID{"world", "anyone"}) {
			return true
		}
		if slices.ContainsFunc(ids, func(id ID) bool { return matches(id, a.ID) }) {
			return true
		}
	}
	return false
}

// matches tells whether somebody is whom an ACL names.
func matches(who, named ID) bool {
	if who.Scheme != named.Scheme {
		return false
	}
	if who.Scheme != "ip" {
		return who.ID == named.ID
	}
	addr, err := netip.ParseAddr(who.ID)
	if err != nil {
		return false
	}
	net, ok := network(named.ID)
	return ok && net.Contains(addr.Unmap())
}

// network reads "address" or "address/bits".
func network(s string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), true
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

// fixACL checks an ACL that a client sends and puts its authenticated identities in the place of the
// scheme auth (PrepRequestProcessor.fixupACL).
func fixACL(acl []ACL, ids []ID) ([]ACL, errCode) {
	var out []ACL
	for _, a := range acl {
		switch a.ID.Scheme {
		case "world":
			if a.ID.ID != "anyone" {
				return nil, errInvalidACL
			}
		case "digest":
			if strings.Count(a.ID.ID, ":") != 1 {
				return nil, errInvalidACL
			}
		case "ip":
			if _, ok := network(a.ID.ID); !ok {
				return nil, errInvalidACL
			}
		case "auth":
			n := len(out)
			for _, id := range ids {
				if id.Scheme == "digest" {
					out = addACL(out, ACL{a.Perms, id})
				}
			}
			if n == len(out) {
				return nil, errInvalidACL
			}
			continue
		default:
			return nil, errInvalidACL
		}
		out = addACL(out, a)
	}
	if len(out) == 0 {
		return nil, errInvalidACL
	}
	return out, errOK
}

func addACL(list []ACL, a ACL) []ACL {
	if slices.Contains(list, a) {
		return list
	}
	return append(list, a)
}

// maskACL hides hashes of passwords from those who may not administer the node.
func maskACL(acl []ACL) []ACL {
	out := slices.Clone(acl)
	for i, a := range out {
		if a.ID.Scheme == "digest" {
			user, _, _ := strings.Cut(a.ID.ID, ":")
			out[i].ID.ID = user + ":x"
		}
	}
	return out
}

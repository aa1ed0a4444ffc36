package apply_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// TestReturn goes there and back: every write that was acknowledged, on either side, is on the source.
func TestReturn(t *testing.T) {
	for name, change := range map[string]func(*dupScene){
		"2.5, idle":            func(*dupScene) {},
		"2.5, busy":            func(*dupScene) {},
		"2.6, busy":            func(s *dupScene) { s.world.shipsLast = true },
		"the follower is kept": func(s *dupScene) { s.drops = false },
		"the balancer works":   func(s *dupScene) { s.world.balances = 47 * time.Second },
		"compared in the window": func(s *dupScene) {
			s.decl.Verify.When = schema.VerifyInWindow
		},
		"not compared on the way there": func(s *dupScene) {
			s.decl.Verify = schema.Verify{Mode: schema.VerifyOff}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newReturn(t, name != "2.5, idle", change)
				s.there(t.Context())
				s.held()
				time.Sleep(3 * time.Minute) // clients write on the target
				s.goBack(t.Context())
				s.returned()
				c, err := apply.ReturnCertificateOf(s.document())
				s.must(err)
				if c == nil || c.Window == nil || c.Switched.IsZero() || len(c.Partitions) != 4 || c.Source != target() {
					t.Errorf("the certificate of the return: %+v", c)
				}
				if s.app != nil && s.app.rejectedFor > 2*dupBudget {
					t.Errorf("writes were rejected for %s", s.app.rejectedFor)
				}
			})
		})
	}
}

// held checks the world while a ticket is held.
func (s *dupScene) held() {
	s.t.Helper()
	src, dst := s.world.table(source()), s.world.table(target())
	for i, p := range src.parts {
		if p.denies() {
			s.t.Errorf("partition %d of the source denies", i)
		}
	}
	if n := len(happened[event.GateReached](s.scene)); n == 0 || happened[event.GateReached](s.scene)[n-1].Rollback == "" {
		s.t.Error("nobody is told of the way back")
	}
	if len(dst.dups) != 1 || dst.dups[0].status != "DS_LOG" || dst.dups[0].remote != "cluster-east" {
		s.t.Errorf("duplications of the target: %+v", dst.dups)
	}
	s.noDuplication()
	begun, err := apply.PlanOf(s.document())
	s.must(err)
	ticket, why, err := apply.TicketOf(s.document(), begun)
	s.must(err)
	if m, err := marker.Parse(src.envs[marker.Env]); err != nil || m == nil || m.Ticket.IsZero() || m.Ticket.After(ticket.Until) {
		s.t.Errorf("the marker does not tell of the ticket: %+v %v", m, err)
	}
	if why != "" || ticket.Valid.IsZero() || !ticket.Until.After(ticket.Valid) {
		s.t.Errorf("%+v %s", ticket, why)
	}
}

// TestTicketEnds: by its time, or early; then the end is that of a migration without one.
func TestTicketEnds(t *testing.T) {
	for name, end := range map[string]func(*dupScene){
		"its time is up": func(s *dupScene) { time.Sleep(ticketTime) },
		"complete":       func(s *dupScene) { s.approve(schema.GateTicket) },
		"somebody removed the duplication": func(s *dupScene) {
			d := s.world.table(target()).dups[0]
			d.removed = true
		},
		"kept open": func(s *dupScene) { s.approve(schema.GateTicket) },
		"dropped":   func(s *dupScene) { s.approve(schema.GateTicket); s.approve("complete") },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newReturn(t, true, func(s *dupScene) {
					switch name {
					case "kept open":
						s.decl.After.Source = schema.AfterUnfence
					case "dropped":
						s.decl.After = schema.After{Source: schema.AfterDrop, Reserve: time.Hour}
					}
				})
				s.there(t.Context())
				s.there(t.Context()) // asked again, it is held again
				end(s)
				s.must(s.apply(t.Context()))
				delete(s.world.table(target()).envs, compactEnv)
				if name == "kept open" {
					if v := s.world.table(source()).envs[plan.EnvDeny]; v != "" {
						t.Errorf("the source is closed: %s", v)
					}
					s.world.table(source()).envs[plan.EnvDeny] = "reconfig*all"
				}
				s.movedOver()
				for _, d := range s.world.table(target()).dups {
					if !d.removed {
						t.Errorf("duplication %d of the target is left", d.id)
					}
				}
				if err := s.back(t.Context()); err == nil {
					t.Error("a return without a ticket")
				} else {
					s.stepError(err, apply.CodeTicket)
				}
			})
		})
	}
}

// TestNoWayBackYet: behind the switch and before the ticket is valid nothing leads back.
func TestNoWayBackYet(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newReturn(t, true)
		for _, p := range s.world.proxies {
			p.notices = time.Hour // it does not hear of the switch
		}
		if err := s.apply(t.Context()); err == nil {
			t.Fatal("it went through")
		}
		s.stepError(s.rollback(t.Context()), apply.CodeTicket)
		s.stepError(s.back(t.Context()), apply.CodeTicket)
	})
}

// TestReturnRefused: what is not proven is not returned to clients, and they stay where they are.
func TestReturnRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(*dupScene)
		check func(*testing.T, *dupScene, error)
	}{
		"a row that never came back": {func(s *dupScene) { delete(s.world.table(source()).rows, "k07") },
			func(t *testing.T, s *dupScene, err error) {
				var differ *apply.DifferencesError
				if !errors.As(err, &differ) {
					t.Errorf("%v", err)
				}
			}},
		"somebody writes on the old source": {func(s *dupScene) {
			s.world.client(&fakeClient{name: "stray", writes: 5})
			time.Sleep(time.Minute)
		}, func(t *testing.T, s *dupScene, err error) { s.stepError(err, apply.CodeTraffic) }},
		"the duplication is gone": {func(s *dupScene) { s.world.table(target()).dups[0].removed = true },
			func(t *testing.T, s *dupScene, err error) { s.stepError(err, apply.CodeTicket) }},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newReturn(t, true)
				s.there(t.Context())
				tt.spoil(s)
				tt.check(t, s, s.back(t.Context()))
				s.stays()
			})
		})
	}
}

// stays checks that a return which did not happen left clients on the target, able to write.
func (s *dupScene) stays() {
	s.t.Helper()
	if s.world.records[dupRoute().Path()].ClusterName != "cluster-west" {
		s.t.Error("the route leads away from the target")
	}
	for i, p := range s.world.table(target()).parts {
		if p.denies() {
			s.t.Errorf("partition %d of the target denies", i)
		}
	}
	if s.t.Failed() {
		s.t.Log(s.story())
	}
}

// TestReturnTakenBack: apply takes a return back that did not come to its switch, and the ticket goes on.
func TestReturnTakenBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newReturn(t, true)
		s.there(t.Context())
		s.stopAt("Swap")
		if err := s.back(t.Context()); err == nil {
			t.Fatal("not stopped")
		}
		s.world.hook = nil
		s.stays()
		s.stepError(s.apply(t.Context()), apply.CodeTicket)
		s.cancelReturn(t.Context())
		if doc := s.document(); doc.Return != nil || doc.Step("back-fence") != nil {
			t.Error("the return is still in the document")
		}
		if s.world.clusters["west"].level != "lively" {
			t.Error("the balancer is held")
		}
		s.there(t.Context())
		s.held()
		s.goBack(t.Context())
		s.returned()
	})
}

func (s *dupScene) cancelReturn(ctx context.Context) {
	s.t.Helper()
	p, err := apply.ReturnOf(s.document())
	s.must(err)
	forward := s.plan
	s.plan = p
	s.must(s.session(func(r *apply.Run) error { return r.CancelReturn(ctx) }))
	s.plan = forward
}

// TestReturnBudget: a window of the way back that cannot be finished is closed in time, and the same
// command goes on.
func TestReturnBudget(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newReturn(t, true)
		s.there(t.Context())
		frozen := false
		s.world.hook = func(_ context.Context, c call) error {
			if c.name == "Probe" && c.table == target() && s.world.table(target()).envs[plan.EnvDeny] != "" && !frozen {
				frozen, s.world.shipRate = true, 0
			}
			return nil
		}
		var over *apply.BudgetError
		if err := s.back(t.Context()); !errors.As(err, &over) {
			t.Errorf("%v", err)
		}
		s.stays()
		s.world.hook, s.world.shipRate = nil, 500
		s.goBack(t.Context())
		s.returned()
	})
}

// TestReturnCrashThere kills apply at every point of a migration with a ticket, applies again, and goes
// back from there.
func TestReturnCrashThere(t *testing.T) {
	t.Parallel()
	everywhere(t, 150, 90, func(t *testing.T, k int) bool {
		s := newReturn(t, k%2 == 0)
		killed, err := s.killedAt(k, s.apply)
		if !killed {
			if err == nil {
				t.Fatal("no ticket")
			}
			return false
		}
		s.reboot(k)
		time.Sleep(time.Duration(k%5) * 20 * time.Second)
		if s.document() != nil && k%3 == 0 && s.world.records[dupRoute().Path()].ClusterName == "cluster-east" {
			s.must(s.rollback(t.Context()))
			s.asBefore()
			return true
		}
		s.there(t.Context())
		s.held()
		time.Sleep(time.Minute)
		s.goBack(t.Context())
		s.returned()
		return true
	})
}

// TestReturnCrashBack kills a return at every point; the same command, once more or twice, leads to the
// same end, with every acknowledged write on the source.
func TestReturnCrashBack(t *testing.T) {
	t.Parallel()
	everywhere(t, 100, 90, func(t *testing.T, k int) bool {
		s := newReturn(t, k%2 == 0, func(s *dupScene) { s.drops = k%3 != 0 })
		s.there(t.Context())
		time.Sleep(time.Minute)
		killed, err := s.killedAt(k, s.back)
		if !killed {
			s.must(err)
			s.returned()
			return false
		}
		s.reboot(k)
		time.Sleep(time.Duration(k%5) * 20 * time.Second)
		s.goBack(t.Context())
		s.returned()
		return true
	})
}

// TestReturnAdopt: a state that is lost is rebuilt, with the duplication of the ticket, whether that is
// before the switch, behind it, or while the ticket is held.
func TestReturnAdopt(t *testing.T) {
	for name, lose := range map[string]func(*dupScene){
		"before the switch": func(s *dupScene) {
			s.stopAt("Swap")
			if err := s.apply(s.t.Context()); err == nil {
				s.t.Fatal("not stopped")
			}
			s.world.hook = nil
		},
		"behind the switch": func(s *dupScene) {
			notices := s.world.proxies[0].notices
			s.world.proxies[0].notices = 10 * time.Minute
			if err := s.apply(s.t.Context()); err == nil {
				s.t.Fatal("not stopped")
			}
			s.world.proxies[0].notices = notices
			time.Sleep(10 * time.Minute)
		},
		"while it is held": func(s *dupScene) { s.there(s.t.Context()) },
	} {
		for _, rolls := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					s := newReturn(t, true)
					s.scene.t = t
					lose(s)
					s.adopt()
					var err error
					s.plan, err = apply.PlanOf(s.document())
					s.must(err)
					if rolls && name == "before the switch" {
						s.must(s.rollback(t.Context()))
						s.asBefore()
						return
					}
					if !rolls {
						s.there(t.Context())
						s.held()
					}
					if rolls && name == "behind the switch" {
						s.stepError(s.rollback(t.Context()), apply.CodeTicket)
						return
					}
					s.goBack(t.Context())
					s.returned()
				})
			})
		}
	}
}

// TestReturnAdoptFenced: a return whose state is lost is not rebuilt; who adopts is told of its fence.
func TestReturnAdoptFenced(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newReturn(t, false)
		s.there(t.Context())
		s.world.table(target()).envs[plan.EnvDeny] = "reconfig*write"
		m, err := marker.Parse(s.world.table(source()).envs[marker.Env])
		s.must(err)
		p, doc, err := apply.Adopt(s.decl, s.facts(), m, "test")
		s.must(err)
		if doc != nil || !p.HasErrors() || p.Checks[len(p.Checks)-1].Code != plan.CodeReturn {
			t.Errorf("%+v", p.Checks)
		}
	})
}

// TestReturnAbandoned: the watchdog of a return that died inside its window lifts the fence of the table
// that clients are on.
func TestReturnAbandoned(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newReturn(t, true)
		s.there(t.Context())
		at := 0
		for n := 40; ; n += 15 { // the first point inside the window
			killed, err := s.killedAt(n, s.back)
			if !killed {
				t.Fatalf("it was never killed inside the window: %v", err)
			}
			s.reboot(0)
			if step := s.document().Step("back-fence"); step != nil && step.Attempts > 0 && s.world.table(target()).envs[plan.EnvDeny] != "" {
				at = n
				break
			}
		}
		p, err := apply.ActivePlanOf(s.document())
		s.must(err)
		if !p.Back {
			t.Fatal("the watchdog would guard the other window")
		}
		forward := s.plan
		s.plan = p
		s.must(s.session(func(r *apply.Run) error {
			lifted, err := r.LiftAbandoned(t.Context())
			if !lifted {
				t.Errorf("nothing was lifted, killed at %d", at)
			}
			return err
		}))
		s.plan = forward
		s.stays()
		s.goBack(t.Context())
		s.returned()
	})
}

// TestReturnPrimaryMoves: primaries of the target move at the worst moments. One that takes over before
// it is stored where it begins begins later; behind the switch it goes on from what is stored.
func TestReturnPrimaryMoves(t *testing.T) {
	for name, at := range map[string]func(call) bool{
		"before it is stored where they begin": func(c call) bool { return c.name == "AddDuplication" && c.table == target() },
		"at the switch":                        func(c call) bool { return c.name == "Swap" },
		"when the fence comes down":            func(c call) bool { return c.name == "HoldDuplication" && strings.HasSuffix(c.detail, "false") },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newReturn(t, true)
				moved := false
				s.world.hook = func(_ context.Context, c call) error {
					if at(c) && !moved {
						moved = true
						for i := range s.world.table(target()).parts {
							s.world.move(target(), i, time.Second)
						}
					}
					return nil
				}
				s.there(t.Context())
				if !moved {
					t.Fatal("nothing moved")
				}
				s.held()
				time.Sleep(time.Minute)
				s.goBack(t.Context())
				s.returned()
			})
		})
	}
}

// TestTicketRefusesIncr: clients that begin to use incr behind the switch are told of.
func TestTicketRefusesIncr(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newReturn(t, true)
		s.there(t.Context())
		s.app.incrs = 1
		time.Sleep(time.Minute)
		before := len(happened[event.Warning](s.scene))
		s.there(t.Context())
		told := false
		for _, w := range happened[event.Warning](s.scene)[before:] {
			told = told || w.Code == apply.CodeTicket && strings.Contains(w.Text, "not idempotent")
		}
		if !told {
			t.Error("nobody is told")
		}
	})
}

// TestReturnKilledAtItsSwitch: the route leads back, and nobody has noted it: clients on the old source are
// where they belong.
func TestReturnKilledAtItsSwitch(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newReturn(t, true)
		s.there(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		k := &killer{at: 1 << 30, cancel: cancel}
		s.fsys = func(disk atomicfile.FS) atomicfile.FS { return atomicfile.Observed(disk, k.disk) }
		s.world.hook = func(context.Context, call) error {
			if s.world.records[dupRoute().Path()].ClusterName == "cluster-east" {
				k.at = 0
			}
			return k.point()
		}
		if err := s.back(ctx); err == nil || !k.dead {
			t.Fatalf("not killed behind the switch: %v", err)
		}
		s.fsys, s.world.hook = nil, nil
		s.reboot(0)
		time.Sleep(time.Minute) // clients are on the source
		s.goBack(t.Context())
		s.returned()
	})
}

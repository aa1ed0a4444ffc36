// Package pace says how fast rows may move, who wants it so, and why.
//
// A [Pacer] joins everybody who has a say: the limits that are declared, what an operator asks for at
// run time, those who watch the clusters' health, and the daily window. Whoever moves rows draws from
// it, in leases, before a request is begun: what is under way is never held up. Who reads two clusters at the same
// time draws from two lanes, each of which has the rates to itself.
//
// Rates are tokens of golang.org/x/time/rate. A watcher that sees pressure eases the rate by a factor
// (multiplicative decrease, from the rate measured when no cap is declared); it comes back by itself in
// equal steps. Whoever finds that nothing may move at all holds the pacer until it frees it again.
package pace

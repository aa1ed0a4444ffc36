package canary

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// envRole makes the test binary be a child.
const envRole = "PEGMIGRATE_TEST_CANARY"

func TestMain(m *testing.M) {
	switch os.Getenv(envRole) {
	case "":
		goleak.VerifyTestMain(m)
		return
	case "child":
		if err := Serve(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "crash":
		go func() { panic("bytes that nobody expected") }()
		select {}
	case "hang":
		<-time.After(time.Hour)
	case "garbage":
		fmt.Println("I have read everything")
	case "chatter":
		for range 9 {
			fmt.Printf("%01000000d", 0)
		}
	case "quit":
		fmt.Fprintln(os.Stderr, "fatal: no meta servers\nand more")
		os.Exit(3)
	case "short":
		fmt.Println(`{"rows":[]}`)
	}
	os.Exit(0)
}

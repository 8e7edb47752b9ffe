// Runs commands by Go's x/crypto/ssh: ssh-go HOST:PORT USER PASSWORD KNOWN_HOSTS_LINE COMMAND...
// KEX in the environment: the one key exchange that is offered.
package main

import (
	"fmt"
	"os"

	"golang.org/x/crypto/ssh"
)

func main() {
	_, _, host, _, _, err := ssh.ParseKnownHosts([]byte(os.Args[4]))
	if err != nil {
		panic(err)
	}
	config := &ssh.ClientConfig{User: os.Args[2], Auth: []ssh.AuthMethod{ssh.Password(os.Args[3])}, HostKeyCallback: ssh.FixedHostKey(host), HostKeyAlgorithms: []string{host.Type()}}
	if kex := os.Getenv("KEX"); kex != "" {
		config.KeyExchanges = []string{kex}
	}
	client, err := ssh.Dial("tcp", os.Args[1], config)
	if err != nil {
		panic(err)
	}
	for _, line := range os.Args[5:] {
		session, err := client.NewSession()
		if err != nil {
			panic(err)
		}
		out, err := session.Output(line)
		fmt.Printf("%s%v\n", out, err)
	}
}

// ADDRESS PORT VERSION: two visits, the second with the session of the first.
package main

import (
	"crypto/tls"
	"io"
	"os"
)

func main() {
	version := map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}[os.Args[3]]
	config := &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version,
		ClientSessionCache: tls.NewLRUClientSessionCache(8)}
	for i := 0; i < 2; i++ {
		conn, err := tls.Dial("tcp", os.Args[1]+":"+os.Args[2], config)
		if err != nil {
			panic(err)
		}
		io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
		io.Copy(os.Stdout, conn)
		conn.Close()
	}
}

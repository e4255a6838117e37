// Says of each request in the files named on standard input whether Go's crypto/x509 takes it: a line "file<TAB>verdict".
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
)

func judge(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return "no PEM block"
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return err.Error()
	}
	if err := request.CheckSignature(); err != nil {
		return err.Error()
	}
	return "accepted"
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Printf("%s\t%s\n", lines.Text(), judge(lines.Text()))
	}
}

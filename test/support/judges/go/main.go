// Judge reads lists and OCSP answers as a Go program does: it brings the time itself.
// usage: judge FOLDER BUNDLE OCSP SECONDS DEVICE... with FOLDER/int.pem and DEVICE.pem
// It prints "judge|device|good", "judge|device|revoked" or "judge|device|" and what else was wrong.
package main

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/crypto/ocsp"
)

var errRevoked = errors.New("revoked")

func main() {
	folder, bundle, responder := os.Args[1], os.Args[2], os.Args[3]
	seconds, err := strconv.Atoi(os.Args[4])
	must(err)
	now := time.Now().Add(time.Duration(seconds) * time.Second)
	issuer := readCertificate(filepath.Join(folder, "int.pem"))
	for _, device := range os.Args[5:] {
		certificate := readCertificate(filepath.Join(folder, device+".pem"))
		say("Go x509.RevocationList", device, byList(filepath.Join(folder, bundle), certificate, issuer, now))
		for name, hash := range map[string]crypto.Hash{
			"SHA-1": crypto.SHA1, "SHA-256": crypto.SHA256, "SHA-384": crypto.SHA384, "SHA-512": crypto.SHA512,
		} {
			say("Go x/crypto/ocsp "+name, device, byOcsp(responder, certificate, issuer, hash, now))
		}
	}
}

func say(judge, device string, err error) {
	verdict := "good"
	if err != nil {
		verdict = err.Error()
	}
	fmt.Printf("%s|%s|%s\n", judge, device, verdict)
}

// byList believes a list only from its thisUpdate to its nextUpdate, and an entry only from its date on.
func byList(path string, certificate, issuer *x509.Certificate, now time.Time) error {
	rest, err := os.ReadFile(path)
	must(err)
	for {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			return errors.New("no list of the issuer")
		}
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return err
		}
		if !bytes.Equal(list.RawIssuer, issuer.RawSubject) {
			continue
		}
		if err := list.CheckSignatureFrom(issuer); err != nil {
			return err
		}
		if now.Before(list.ThisUpdate) || now.After(list.NextUpdate) {
			return fmt.Errorf("the list holds from %s to %s", list.ThisUpdate, list.NextUpdate)
		}
		for _, entry := range list.RevokedCertificateEntries {
			if entry.SerialNumber.Cmp(certificate.SerialNumber) == 0 && !now.Before(entry.RevocationTime) {
				return errRevoked
			}
		}
		return nil
	}
}

func byOcsp(url string, certificate, issuer *x509.Certificate, hash crypto.Hash, now time.Time) error {
	request, err := ocsp.CreateRequest(certificate, issuer, &ocsp.RequestOptions{Hash: hash})
	must(err)
	response, err := http.Post(url, "application/ocsp-request", bytes.NewReader(request))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(err)
	answer, err := ocsp.ParseResponseForCert(body, certificate, issuer)
	if err != nil {
		return err
	}
	if now.Before(answer.ThisUpdate) || now.Before(answer.ProducedAt) || now.After(answer.NextUpdate) {
		return fmt.Errorf("the answer holds from %s to %s", answer.ThisUpdate, answer.NextUpdate)
	}
	if answer.Certificate != nil && (now.Before(answer.Certificate.NotBefore) || now.After(answer.Certificate.NotAfter)) {
		return errors.New("the responder's certificate is not valid now")
	}
	if answer.Status == ocsp.Revoked && !now.Before(answer.RevokedAt) {
		return errRevoked
	}
	if answer.Status != ocsp.Good {
		return fmt.Errorf("status %d", answer.Status)
	}
	return nil
}

func readCertificate(path string) *x509.Certificate {
	bytes, err := os.ReadFile(path)
	must(err)
	block, _ := pem.Decode(bytes)
	certificate, err := x509.ParseCertificate(block.Bytes)
	must(err)
	return certificate
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Go: crypto/x509. Run in an empty folder: writes NAME.csr, and prints NAME, a tab and what made each.
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func request(name, what string, key crypto.Signer, template x509.CertificateRequest) {
	octets := must(x509.CreateCertificateRequest(rand.Reader, &template, key))
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: octets})
	if err := os.WriteFile(name+".csr", block, 0o600); err != nil {
		panic(err)
	}
	fmt.Printf("%s\tx509.CreateCertificateRequest, %s\n", name, what)
}

func main() {
	ec := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))
	_, edKey, _ := ed25519.GenerateKey(rand.Reader)
	cn := pkix.Name{CommonName: "pump-17"}
	plain := x509.CertificateRequest{Subject: cn}
	request("ec256", "P-256", ec, plain)
	request("ec384", "P-384", must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), plain)
	request("ec521", "P-521", must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)), plain)
	request("ec224", "P-224", must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)), plain)
	request("rsa2048", "RSA 2048", rsaKey, plain)
	request("rsa4096", "RSA 4096", must(rsa.GenerateKey(rand.Reader, 4096)), plain)
	request("ed25519", "Ed25519", edKey, plain)
	for name, algorithm := range map[string]x509.SignatureAlgorithm{"sha384": x509.SHA384WithRSA, "sha512": x509.SHA512WithRSA, "pss256": x509.SHA256WithRSAPSS, "pss512": x509.SHA512WithRSAPSS} {
		request("rsa-"+name, "RSA, "+algorithm.String(), rsaKey, x509.CertificateRequest{Subject: cn, SignatureAlgorithm: algorithm})
	}
	request("empty", "no subject", ec, x509.CertificateRequest{})
	request("full", "a full name", ec, x509.CertificateRequest{Subject: pkix.Name{CommonName: "pump-17", Organization: []string{"Acme"}, OrganizationalUnit: []string{"Plant", "Hall"}, Country: []string{"DE"}, SerialNumber: "42"}})
	request("uri", "the thing's name", ec, x509.CertificateRequest{Subject: cn, URIs: []*url.URL{must(url.Parse("urn:thingward:default:corpus"))}})
	request("dns", "a DNS name", ec, x509.CertificateRequest{Subject: cn, DNSNames: []string{"pump.example.com"}})
	request("email", "an address", ec, x509.CertificateRequest{Subject: cn, EmailAddresses: []string{"a@example.com"}})
	usage := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: []byte{3, 2, 7, 0x80}}
	request("usage", "digitalSignature", ec, x509.CertificateRequest{Subject: cn, ExtraExtensions: []pkix.Extension{usage}})
	request("private", "an extension of its own", ec, x509.CertificateRequest{Subject: cn, ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Value: []byte{5, 0}}}})
}

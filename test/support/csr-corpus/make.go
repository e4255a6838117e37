// Writes requests with Go's crypto/x509.
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
	"net"
	"net/url"
	"os"
)

func save(name string, template x509.CertificateRequest, key crypto.Signer) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
	if err != nil {
		fmt.Println("failed", name, err)
		return
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	if err := os.WriteFile(os.Args[1]+"/"+name+".pem", text, 0o644); err != nil {
		panic(err)
	}
}

func main() {
	cn := pkix.Name{CommonName: "pump", Organization: []string{"Example"}}
	for name, curve := range map[string]elliptic.Curve{"p224": elliptic.P224(), "p256": elliptic.P256(), "p384": elliptic.P384(), "p521": elliptic.P521()} {
		key, _ := ecdsa.GenerateKey(curve, rand.Reader)
		save(name+"-default", x509.CertificateRequest{Subject: cn}, key)
		if name != "p256" {
			continue
		}
		for hash, algorithm := range map[string]x509.SignatureAlgorithm{"sha1": x509.ECDSAWithSHA1, "sha384": x509.ECDSAWithSHA384, "sha512": x509.ECDSAWithSHA512} {
			save(name+"-"+hash, x509.CertificateRequest{Subject: cn, SignatureAlgorithm: algorithm}, key)
		}
		uri, _ := url.Parse("spiffe://example.com/pump")
		save(name+"-empty", x509.CertificateRequest{}, key)
		save(name+"-two-ou", x509.CertificateRequest{Subject: pkix.Name{CommonName: "pump", OrganizationalUnit: []string{"a", "b"}}}, key)
		save(name+"-utf8", x509.CertificateRequest{Subject: pkix.Name{CommonName: "Pümpe"}}, key)
		save(name+"-dns", x509.CertificateRequest{Subject: cn, DNSNames: []string{"pump.example.com"}}, key)
		save(name+"-ip", x509.CertificateRequest{Subject: cn, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, key)
		save(name+"-email", x509.CertificateRequest{Subject: cn, EmailAddresses: []string{"a@example.com"}}, key)
		save(name+"-uri", x509.CertificateRequest{Subject: cn, URIs: []*url.URL{uri}}, key)
		usage := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: []byte{3, 2, 7, 0x80}}
		save(name+"-digital-signature", x509.CertificateRequest{Subject: cn, ExtraExtensions: []pkix.Extension{usage}}, key)
		usage.Value = []byte{3, 2, 5, 0xa0}
		save(name+"-key-encipherment", x509.CertificateRequest{Subject: cn, ExtraExtensions: []pkix.Extension{usage}}, key)
		unknown := pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, Value: []byte{5, 0}}
		save(name+"-unknown-extension", x509.CertificateRequest{Subject: cn, ExtraExtensions: []pkix.Extension{unknown}}, key)
		save(name+"-attribute", x509.CertificateRequest{Subject: cn, Attributes: []pkix.AttributeTypeAndValueSET{{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 2}, Value: [][]pkix.AttributeTypeAndValue{{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "x"}}}}}}, key)
	}
	for _, bits := range []int{1024, 2048, 3072, 4096} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			fmt.Println(bits, err)
			continue
		}
		name := fmt.Sprintf("rsa%d", bits)
		save(name+"-default", x509.CertificateRequest{Subject: cn}, key)
		if bits != 2048 {
			continue
		}
		for hash, algorithm := range map[string]x509.SignatureAlgorithm{"sha1": x509.SHA1WithRSA, "sha384": x509.SHA384WithRSA, "sha512": x509.SHA512WithRSA, "pss-sha256": x509.SHA256WithRSAPSS, "pss-sha384": x509.SHA384WithRSAPSS, "pss-sha512": x509.SHA512WithRSAPSS} {
			save(name+"-"+hash, x509.CertificateRequest{Subject: cn, SignatureAlgorithm: algorithm}, key)
		}
	}
	_, key, _ := ed25519.GenerateKey(rand.Reader)
	save("ed25519-default", x509.CertificateRequest{Subject: cn}, key)
}

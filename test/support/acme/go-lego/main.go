// A client of ACME that lego is the library of: it registers by an external account binding, obtains a certificate,
// renews it in an order that names what it replaces, and revokes the second one.
//
//	lego-client DIRECTORY KID HMAC NAME FOLDER [revoke]
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-acme/lego/v4/acme"
	"github.com/go-acme/lego/v4/certcrypto"
	"github.com/go-acme/lego/v4/certificate"
	"github.com/go-acme/lego/v4/lego"
	"github.com/go-acme/lego/v4/registration"
)

type user struct {
	key          crypto.PrivateKey
	registration *registration.Resource
}

func (u *user) GetEmail() string                        { return "lego@example.com" }
func (u *user) GetRegistration() *registration.Resource { return u.registration }
func (u *user) GetPrivateKey() crypto.PrivateKey        { return u.key }

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "failed:", err)
		os.Exit(1)
	}
	return value
}

func main() {
	directory, kid, hmac, name, folder := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	account := &user{key: must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))}
	config := lego.NewConfig(account)
	config.CADirURL = directory
	config.Certificate.KeyType = certcrypto.EC256
	client := must(lego.NewClient(config))
	account.registration = must(client.Registration.RegisterWithExternalAccountBinding(registration.RegisterEABOptions{
		TermsOfServiceAgreed: true, Kid: kid, HmacEncoded: hmac,
	}))
	stranger := lego.NewConfig(&user{key: account.key})
	stranger.CADirURL = directory
	again := must(must(lego.NewClient(stranger)).Registration.ResolveAccountByKey())
	fmt.Println("account:", again.URI == account.registration.URI, again.Body.Status)

	obtain := func(replaces string) *certificate.Resource {
		return must(client.Certificate.Obtain(certificate.ObtainRequest{
			Domains: []string{name}, Bundle: true, ReplacesCertID: replaces,
		}))
	}
	first := obtain("")
	save(folder, "first.pem", first.Certificate)
	leaf := must(certcrypto.ParsePEMCertificate(first.Certificate))
	info := must(client.Certificate.GetRenewalInfo(certificate.RenewalInfoRequest{Cert: leaf}))
	window := info.SuggestedWindow
	fmt.Println("renewal window within the life:", window.Start.After(leaf.NotBefore) && window.End.Before(leaf.NotAfter))

	second := obtain(must(certificate.MakeARICertID(leaf)))
	save(folder, "second.pem", second.Certificate)
	if len(os.Args) > 6 {
		reason := acme.CRLReasonKeyCompromise
		if err := client.Certificate.RevokeWithReason(second.Certificate, &reason); err != nil {
			must(0, err)
		}
		fmt.Println("revoked")
	}
	if err := client.Registration.DeleteRegistration(); err != nil {
		must(0, err)
	}
	_, err := client.Certificate.Obtain(certificate.ObtainRequest{Domains: []string{name}, Bundle: true})
	fmt.Println("refused afterwards:", err)
}

func save(folder, name string, pem []byte) {
	if err := os.WriteFile(filepath.Join(folder, name), pem, 0o600); err != nil {
		must(0, err)
	}
}

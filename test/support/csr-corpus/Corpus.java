import java.io.*;
import java.nio.file.*;
import java.security.*;
import java.security.spec.*;
import org.bouncycastle.asn1.*;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x500.*;
import org.bouncycastle.asn1.x500.style.BCStyle;
import org.bouncycastle.asn1.x509.*;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.pkcs.jcajce.JcaPKCS10CertificationRequestBuilder;

/** Writes requests with BouncyCastle. */
public class Corpus {
  static String out;

  static KeyPair ec(String curve) throws Exception {
    KeyPairGenerator g = KeyPairGenerator.getInstance("EC", "BC");
    g.initialize(new ECGenParameterSpec(curve));
    return g.generateKeyPair();
  }

  static KeyPair rsa(int bits) throws Exception {
    KeyPairGenerator g = KeyPairGenerator.getInstance("RSA", "BC");
    g.initialize(bits);
    return g.generateKeyPair();
  }

  static void save(String name, KeyPair key, String algorithm, X500Name subject, Extension... extensions) throws Exception {
    JcaPKCS10CertificationRequestBuilder builder = new JcaPKCS10CertificationRequestBuilder(subject, key.getPublic());
    if (extensions.length > 0) builder.addAttribute(PKCSObjectIdentifiers.pkcs_9_at_extensionRequest, new Extensions(extensions));
    if (name.contains("challenge")) builder.addAttribute(PKCSObjectIdentifiers.pkcs_9_at_challengePassword, new DERPrintableString("secret"));
    try (JcaPEMWriter writer = new JcaPEMWriter(new FileWriter(out + "/" + name + ".pem"))) {
      writer.writeObject(builder.build(new JcaContentSignerBuilder(algorithm).setProvider("BC").build(key.getPrivate())));
    }
  }

  static Extension extension(ASN1ObjectIdentifier id, boolean critical, ASN1Encodable value) throws Exception {
    return new Extension(id, critical, value.toASN1Primitive().getEncoded());
  }

  public static void main(String[] args) throws Exception {
    out = args[0];
    Security.addProvider(new BouncyCastleProvider());
    X500Name cn = new X500Name("CN=pump,O=Example");
    KeyPair p256 = ec("P-256"), rsa2048 = rsa(2048);
    save("p256-sha256", p256, "SHA256withECDSA", cn);
    save("p256-sha384", p256, "SHA384withECDSA", cn);
    save("p256-sha512", p256, "SHA512withECDSA", cn);
    save("p256-sha1", p256, "SHA1withECDSA", cn);
    save("p256-sha3", p256, "SHA3-256withECDSA", cn);
    save("p384-sha384", ec("P-384"), "SHA384withECDSA", cn);
    save("p521-sha512", ec("P-521"), "SHA512withECDSA", cn);
    save("brainpool256-sha256", ec("brainpoolP256r1"), "SHA256withECDSA", cn);
    save("ed25519", KeyPairGenerator.getInstance("Ed25519", "BC").generateKeyPair(), "Ed25519", cn);
    save("ed448", KeyPairGenerator.getInstance("Ed448", "BC").generateKeyPair(), "Ed448", cn);
    save("rsa1024-sha256", rsa(1024), "SHA256withRSA", cn);
    save("rsa2048-sha256", rsa2048, "SHA256withRSA", cn);
    save("rsa2048-sha512", rsa2048, "SHA512withRSA", cn);
    save("rsa2048-sha1", rsa2048, "SHA1withRSA", cn);
    save("rsa2048-md5", rsa2048, "MD5withRSA", cn);
    save("rsa2048-pss-sha256", rsa2048, "SHA256withRSAandMGF1", cn);
    save("rsa2048-pss-sha512", rsa2048, "SHA512withRSAandMGF1", cn);
    save("rsa2048-pss-sha1", rsa2048, "SHA1withRSAandMGF1", cn);
    save("rsa3072-sha256", rsa(3072), "SHA256withRSA", cn);
    save("p256-empty-subject", p256, "SHA256withECDSA", new X500Name(new RDN[0]));
    save("p256-challenge", p256, "SHA256withECDSA", cn);
    save("p256-multi-valued", p256, "SHA256withECDSA", new X500Name("CN=a+serialNumber=7,O=Example"));
    save("p256-dc", p256, "SHA256withECDSA", new X500Name("DC=com,DC=example,OU=a,OU=b,CN=pump"));
    for (ASN1Encodable value : new ASN1Encodable[] {new DERBMPString("pump"), new DERT61String("pump"), new DERUniversalString(new byte[] {0, 0, 0, 'p'}), new DERPrintableString("pump"), new DERIA5String("pump@"), new DERUTF8String("Pümpe")})
      save("p256-" + value.getClass().getSimpleName().substring(3).toLowerCase(), p256, "SHA256withECDSA", new X500Name(new RDN[] {new RDN(BCStyle.CN, value)}));
    Extension sign = extension(Extension.keyUsage, true, new KeyUsage(KeyUsage.digitalSignature));
    Extension client = extension(Extension.extendedKeyUsage, false, new ExtendedKeyUsage(KeyPurposeId.id_kp_clientAuth));
    save("p256-client", p256, "SHA256withECDSA", cn, sign, client, extension(Extension.basicConstraints, true, new BasicConstraints(false)));
    save("p256-agreement", p256, "SHA256withECDSA", cn, extension(Extension.keyUsage, true, new KeyUsage(KeyUsage.digitalSignature | KeyUsage.keyAgreement)));
    save("p256-ca", p256, "SHA256withECDSA", cn, extension(Extension.basicConstraints, true, new BasicConstraints(0)));
    save("p256-dns", p256, "SHA256withECDSA", cn, extension(Extension.subjectAlternativeName, false, new GeneralNames(new GeneralName(GeneralName.dNSName, "pump.example.com"))));
    save("p256-email-purpose", p256, "SHA256withECDSA", cn, extension(Extension.extendedKeyUsage, false, new ExtendedKeyUsage(KeyPurposeId.id_kp_emailProtection)));
  }
}

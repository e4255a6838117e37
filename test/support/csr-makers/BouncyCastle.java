import java.io.FileWriter;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.Security;
import java.security.spec.ECGenParameterSpec;
import javax.security.auth.x500.X500Principal;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.DERNull;
import org.bouncycastle.asn1.DERUTF8String;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.ExtensionsGenerator;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.pkcs.PKCS10CertificationRequestBuilder;
import org.bouncycastle.pkcs.jcajce.JcaPKCS10CertificationRequestBuilder;

/** BouncyCastle. Run in an empty folder: writes NAME.csr, and prints NAME, a tab and what made each. */
public class BouncyCastle {
  interface More { void add(ExtensionsGenerator to) throws Exception; }

  static KeyPair ec(String curve) throws Exception {
    KeyPairGenerator maker = KeyPairGenerator.getInstance("EC", "BC");
    maker.initialize(new ECGenParameterSpec(curve));
    return maker.generateKeyPair();
  }

  static KeyPair of(String kind, int bits) throws Exception {
    KeyPairGenerator maker = KeyPairGenerator.getInstance(kind, "BC");
    if (bits > 0) maker.initialize(bits);
    return maker.generateKeyPair();
  }

  static void keep(String name, String algorithm, KeyPair keys, PKCS10CertificationRequestBuilder builder) throws Exception {
    try (JcaPEMWriter writer = new JcaPEMWriter(new FileWriter(name + ".csr"))) {
      writer.writeObject(builder.build(new JcaContentSignerBuilder(algorithm).setProvider("BC").build(keys.getPrivate())));
    }
    System.out.println(name + "\tJcaPKCS10CertificationRequestBuilder, " + algorithm);
  }

  static PKCS10CertificationRequestBuilder plain(KeyPair keys) {
    return new JcaPKCS10CertificationRequestBuilder(new X500Principal("CN=pump-17,O=Acme"), keys.getPublic());
  }

  static void asking(String name, KeyPair keys, More more) throws Exception {
    ExtensionsGenerator extensions = new ExtensionsGenerator();
    more.add(extensions);
    keep(name, "SHA256withECDSA", keys, plain(keys).addAttribute(PKCSObjectIdentifiers.pkcs_9_at_extensionRequest, extensions.generate()));
  }

  public static void main(String[] none) throws Exception {
    Security.addProvider(new BouncyCastleProvider());
    KeyPair p256 = ec("P-256");
    KeyPair rsa = of("RSA", 2048);
    for (String hash : new String[] {"SHA1", "SHA224", "SHA256", "SHA384", "SHA512", "SHA3-256"}) {
      keep("ec-" + hash, hash + "withECDSA", p256, plain(p256));
      keep("rsa-" + hash, hash + "withRSA", rsa, plain(rsa));
    }
    keep("rsa-pss", "SHA256withRSAandMGF1", rsa, plain(rsa));
    for (String curve : new String[] {"P-384", "P-521", "brainpoolP256r1", "secp256k1"}) {
      KeyPair keys = ec(curve);
      keep("key-" + curve, "SHA256withECDSA", keys, plain(keys));
    }
    for (String kind : new String[] {"Ed25519", "Ed448"}) {
      KeyPair keys = of(kind, 0);
      keep("key-" + kind, kind, keys, plain(keys));
    }
    KeyPair dsa = of("DSA", 2048);
    keep("key-dsa", "SHA256withDSA", dsa, plain(dsa));
    keep("password", "SHA256withECDSA", p256, plain(p256).addAttribute(PKCSObjectIdentifiers.pkcs_9_at_challengePassword, new DERUTF8String("secret")));
    asking("usage", p256, to -> to.addExtension(Extension.keyUsage, true, new KeyUsage(KeyUsage.digitalSignature)));
    asking("usage-more", p256, to -> to.addExtension(Extension.keyUsage, true, new KeyUsage(KeyUsage.digitalSignature | KeyUsage.keyEncipherment)));
    asking("client", p256, to -> to.addExtension(Extension.extendedKeyUsage, false, new ExtendedKeyUsage(KeyPurposeId.id_kp_clientAuth)));
    asking("ca", p256, to -> to.addExtension(Extension.basicConstraints, true, new BasicConstraints(true)));
    asking("not-ca", p256, to -> to.addExtension(Extension.basicConstraints, true, new BasicConstraints(false)));
    asking("uri", p256, to -> to.addExtension(Extension.subjectAlternativeName, false, new GeneralNames(new GeneralName(GeneralName.uniformResourceIdentifier, "urn:thingward:default:corpus"))));
    asking("private", p256, to -> to.addExtension(new ASN1ObjectIdentifier("1.2.3.4"), false, DERNull.INSTANCE));
  }
}

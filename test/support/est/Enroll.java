import java.io.FileReader;
import java.io.FileWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.Set;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.est.ESTService;
import org.bouncycastle.est.jcajce.JcaHttpAuthBuilder;
import org.bouncycastle.est.jcajce.JcaJceUtils;
import org.bouncycastle.est.jcajce.JsseESTServiceBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;

/** Enrolls by BouncyCastle: SERVER TRUST TOKEN CSR OUT. */
public class Enroll {
  public static void main(String[] args) throws Exception {
    Security.addProvider(new BouncyCastleProvider());
    var factory = CertificateFactory.getInstance("X.509");
    var trust = (X509Certificate) factory.generateCertificate(Files.newInputStream(Path.of(args[1])));
    ESTService service =
        new JsseESTServiceBuilder(
                args[0], JcaJceUtils.getCertPathTrustManager(Set.of(new TrustAnchor(trust, null)), null))
            .withHostNameAuthorizer((name, context) -> true)
            .build();
    int authorities = service.getCACerts().getCertificateStore().getMatches(null).size();
    if (authorities != 2) throw new IllegalStateException("it has " + authorities + " authorities");
    System.out.println("attributes: " + service.getCSRAttributes().hasAttributesResponse());
    var request = (PKCS10CertificationRequest) new PEMParser(new FileReader(args[3])).readObject();
    var auth =
        new JcaHttpAuthBuilder("thingward", "bouncy", args[2].toCharArray())
            .setNonceGenerator(new java.security.SecureRandom())
            .setProvider("BC")
            .build();
    var answer = service.simpleEnroll(false, request, auth);
    if (!answer.isCompleted()) throw new IllegalStateException("it has to wait");
    X509CertificateHolder certificate = answer.getStore().getMatches(null).iterator().next();
    try (var out = new JcaPEMWriter(new FileWriter(args[4]))) {
      out.writeObject(certificate);
    }
  }
}

import java.io.FileInputStream;
import java.io.InputStream;
import java.net.URI;
import java.nio.file.Path;
import java.security.Provider;
import java.security.cert.CertPath;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertStore;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXCertPathChecker;
import java.security.cert.PKIXParameters;
import java.security.cert.PKIXRevocationChecker;
import java.security.cert.PKIXRevocationChecker.Option;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.bouncycastle.jcajce.PKIXCRLStore;
import org.bouncycastle.jcajce.PKIXExtendedParameters;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.util.CollectionStore;
import org.bouncycastle.util.Selector;
import org.bouncycastle.util.Store;

/**
 * Asks the certificate path validators of Java and BouncyCastle, at the time of this machine.
 * usage: Judge FOLDER BUNDLE DELTA|- OCSP|- DEVICE... with FOLDER/root.pem, int.pem and DEVICE.pem.
 * Prints "judge|device|good", "judge|device|revoked" or "judge|device|" and what else was wrong.
 */
public class Judge {
  interface Verdict {
    void require(X509Certificate device) throws Exception;
  }

  static final Provider bouncyCastle = new BouncyCastleProvider();
  static Path folder;
  static CertificateFactory x509;
  static X509Certificate root;
  static X509Certificate issuing;

  public static void main(String[] args) throws Exception {
    folder = Path.of(args[0]);
    x509 = CertificateFactory.getInstance("X.509");
    root = certificate("root");
    issuing = certificate("int");
    List<java.security.cert.CRL> lists = lists(args[1]);
    List<String> devices = Arrays.asList(args).subList(4, args.length);
    judge("Java PKIX, list", devices, device -> byLists(null, lists).require(device));
    judge("BouncyCastle, list", devices, device -> byLists(bouncyCastle, lists).require(device));
    if (!args[2].equals("-")) {
      List<java.security.cert.CRL> all = new ArrayList<>(lists);
      all.addAll(lists(args[2]));
      judge("BouncyCastle, list and delta", devices, device -> byDeltas(all).require(device));
    }
    if (!args[3].equals("-")) {
      URI responder = new URI(args[3]);
      judge("Java PKIX, OCSP", devices, device -> byOcsp(null, responder).require(device));
      judge("BouncyCastle, OCSP", devices, device -> byOcsp(bouncyCastle, responder).require(device));
    }
  }

  static void judge(String name, List<String> devices, Verdict verdict) throws Exception {
    for (String device : devices) {
      String said = "good";
      try {
        verdict.require(certificate(device));
      } catch (CertPathValidatorException error) {
        boolean revoked = CertPathValidatorException.BasicReason.REVOKED.equals(error.getReason())
            || String.valueOf(error.getMessage()).contains("revocation after")
            || String.valueOf(error.getMessage()).contains("certificate revoked");
        said = revoked ? "revoked" : String.valueOf(error.getMessage()).replace('\n', ' ');
      } catch (RuntimeException error) {
        said = String.valueOf(error).replace('\n', ' ') + " " + Arrays.toString(error.getStackTrace());
      }
      System.out.println(name + "|" + device + "|" + said);
    }
  }

  static Verdict byLists(Provider provider, List<java.security.cert.CRL> lists) throws Exception {
    PKIXParameters parameters = parameters();
    parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(lists)));
    return device -> validator(provider).validate(path(provider, device, issuing), parameters);
  }

  static Verdict byDeltas(List<java.security.cert.CRL> lists) throws Exception {
    PKIXExtendedParameters parameters = new PKIXExtendedParameters.Builder(parameters())
        .setUseDeltasEnabled(true)
        .addCRLStore(new ListStore(lists))
        .build();
    return device -> validator(bouncyCastle).validate(path(bouncyCastle, device, issuing), parameters);
  }

  static Verdict byOcsp(Provider provider, URI responder) throws Exception {
    return device -> {
      PKIXParameters parameters = parameters();
      // The device alone: its issuer is the anchor.
      parameters = new PKIXParameters(Set.of(new TrustAnchor(issuing, null)));
      PKIXRevocationChecker checker = (PKIXRevocationChecker) validator(provider).getRevocationChecker();
      checker.setOcspResponder(responder);
      checker.setOptions(EnumSet.of(Option.NO_FALLBACK, Option.ONLY_END_ENTITY));
      parameters.addCertPathChecker((PKIXCertPathChecker) checker);
      validator(provider).validate(path(provider, device), parameters);
    };
  }

  static PKIXParameters parameters() throws Exception {
    PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
    parameters.setRevocationEnabled(true);
    return parameters;
  }

  static CertPathValidator validator(Provider provider) throws Exception {
    return provider == null ? CertPathValidator.getInstance("PKIX") : CertPathValidator.getInstance("PKIX", provider);
  }

  static CertPath path(Provider provider, X509Certificate... certificates) throws Exception {
    CertificateFactory factory =
        provider == null ? x509 : CertificateFactory.getInstance("X.509", provider);
    return factory.generateCertPath(Arrays.asList(certificates));
  }

  static X509Certificate certificate(String name) throws Exception {
    try (InputStream in = new FileInputStream(folder.resolve(name + ".pem").toFile())) {
      return (X509Certificate) x509.generateCertificate(in);
    }
  }

  static List<java.security.cert.CRL> lists(String name) throws Exception {
    try (InputStream in = new FileInputStream(folder.resolve(name).toFile())) {
      return new ArrayList<>(x509.generateCRLs(in));
    }
  }

  static class ListStore implements PKIXCRLStore<java.security.cert.CRL> {
    private final Store<java.security.cert.CRL> lists;

    ListStore(List<java.security.cert.CRL> lists) {
      this.lists = new CollectionStore<>(lists);
    }

    public java.util.Collection<java.security.cert.CRL> getMatches(Selector<java.security.cert.CRL> selector) {
      return lists.getMatches(selector);
    }
  }
}

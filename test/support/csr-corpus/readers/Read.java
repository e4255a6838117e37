import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import sun.security.pkcs10.PKCS10;
import sun.security.util.Pem;

/** Says of each request in the files named on standard input what `keytool -printcertreq` does, without a JVM for each. */
public class Read {
  public static void main(String[] args) throws Exception {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    for (String file = lines.readLine(); file != null; file = lines.readLine()) System.out.println(file + "\t" + judge(file));
  }

  /** As sun.security.tools.keytool.Main.doPrintCertReq reads: from the BEGIN line to the END line. */
  static String judge(String file) throws Exception {
    StringBuilder base64 = new StringBuilder();
    boolean started = false;
    for (String line : Files.readString(Path.of(file)).split("\\R")) {
      if (!started) started = line.startsWith("-----");
      else if (line.startsWith("-----")) break;
      else base64.append(line);
    }
    try {
      new PKCS10(Pem.decode(base64.toString()));
      return "accepted";
    } catch (Exception error) {
      return error.toString().replaceAll("\\s+", " ");
    }
  }
}

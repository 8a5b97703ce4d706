// ADDRESS PORT VERSION: two visits, the second with the session of the first.
import java.security.cert.X509Certificate;
import javax.net.ssl.*;
public class Client {
  public static void main(String[] a) throws Exception {
    var trust = new X509ExtendedTrustManager() {
      public void checkClientTrusted(X509Certificate[] c, String t) {}
      public void checkServerTrusted(X509Certificate[] c, String t) {}
      public void checkClientTrusted(X509Certificate[] c, String t, java.net.Socket s) {}
      public void checkServerTrusted(X509Certificate[] c, String t, java.net.Socket s) {}
      public void checkClientTrusted(X509Certificate[] c, String t, SSLEngine e) {}
      public void checkServerTrusted(X509Certificate[] c, String t, SSLEngine e) {}
      public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
    };
    var context = SSLContext.getInstance("TLS");
    context.init(null, new TrustManager[] {trust}, null);
    for (int i = 0; i < 2; i++) {
      var sockets = context.getSocketFactory();
      try (var s = (SSLSocket) sockets.createSocket(a[0], Integer.parseInt(a[1]))) {
        s.setEnabledProtocols(new String[] {"TLSv" + a[2]});
        s.getOutputStream().write("GET / HTTP/1.0\r\n\r\n".getBytes());
        System.out.write(s.getInputStream().readAllBytes());
      }
    }
  }
}

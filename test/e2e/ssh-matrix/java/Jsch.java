// The scenario of ssh-matrix.test.ts, by JSch. Run from its source: java -cp <jars> Jsch.java
import com.jcraft.jsch.*;
import java.io.ByteArrayOutputStream;
import java.security.MessageDigest;
import java.util.HexFormat;

public class Jsch {
  public static void main(String[] args) throws Exception {
    JSch jsch = new JSch();
    jsch.setKnownHosts(System.getenv("KNOWN_HOSTS"));
    Session session = jsch.getSession(System.getenv("GRANT"), "127.0.0.1", Integer.parseInt(System.getenv("PORT")));
    session.setPassword(System.getenv("PASSWORD"));
    session.setConfig("server_host_key", "ssh-ed25519");
    session.connect(20000);
    System.out.println("command " + exec(session, "echo hello; exit 4"));
    System.out.println("refused " + exec(session, "id"));
    ChannelSftp sftp = (ChannelSftp) session.openChannel("sftp");
    sftp.connect();
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    sftp.get(System.getenv("FILE"), out);
    byte[] digest = MessageDigest.getInstance("SHA-256").digest(out.toByteArray());
    System.out.println("read " + out.size() + " " + HexFormat.of().formatHex(digest).substring(0, 16));
    try {
      sftp.get("/etc/passwd", new ByteArrayOutputStream());
    } catch (SftpException refused) {
      System.out.println("denied " + refused.id);
    }
    session.disconnect();
  }

  static String exec(Session session, String command) throws Exception {
    ChannelExec channel = (ChannelExec) session.openChannel("exec");
    channel.setCommand(command);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    channel.setOutputStream(out);
    channel.connect();
    while (!channel.isClosed()) Thread.sleep(10);
    channel.disconnect();
    return (out.toString().trim() + " " + channel.getExitStatus()).trim();
  }
}

// The scenario of postgres-matrix.test.ts, by pgjdbc behind HikariCP. Run from its source: java -cp <jars> Jdbc.java
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.*;

public class Jdbc {
  public static void main(String[] args) throws Exception {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(System.getenv("JDBC"));
    config.setUsername(System.getenv("PGUSER"));
    config.setPassword(System.getenv("PGPASSWORD"));
    config.setMaximumPoolSize(2);
    try (HikariDataSource pool = new HikariDataSource(config); Connection c = pool.getConnection()) {
      try (PreparedStatement s = c.prepareStatement("select id, total from orders where id = ?")) {
        // From the fifth on the driver names its statement, and asks for binary.
        for (int i = 0; i < 8; i++) {
          s.setInt(1, 7);
          try (ResultSet r = s.executeQuery()) {
            r.next();
            if (i == 7) System.out.println("row " + r.getInt(1) + " " + r.getBigDecimal(2));
          }
        }
      }
      try (Statement s = c.createStatement(); ResultSet r = s.executeQuery("select email from orders where id = 7")) {
        r.next();
        System.out.println("masked " + r.getString(1));
      }
      c.setAutoCommit(false);
      try (Statement s = c.createStatement()) {
        // A portal that is read in parts.
        s.setFetchSize(500);
        int n = 0;
        try (ResultSet r = s.executeQuery("select id, note from orders")) {
          while (r.next()) n++;
        }
        System.out.println("rows " + n);
      }
      c.commit();
      c.setAutoCommit(true);
      try (Statement s = c.createStatement()) {
        s.executeUpdate("delete from orders");
      } catch (SQLException e) {
        System.out.println("refused " + e.getSQLState());
      }
      try (Statement s = c.createStatement(); ResultSet r = s.executeQuery("select 3")) {
        r.next();
        System.out.println("after " + r.getInt(1));
      }
      try (Statement s = c.createStatement()) {
        s.execute("select 1; select 2");
        ResultSet a = s.getResultSet();
        a.next();
        String first = a.getString(1);
        s.getMoreResults();
        ResultSet b = s.getResultSet();
        b.next();
        System.out.println("batch " + first + " " + b.getString(1));
      }
      c.setAutoCommit(false);
      try (PreparedStatement s = c.prepareStatement("insert into order_items values (?, 1, ?)")) {
        for (int i = 1; i <= 2; i++) {
          s.setInt(1, 9000 + i);
          s.setString(2, "a");
          s.addBatch();
        }
        int n = 0;
        for (int one : s.executeBatch()) n += one;
        System.out.println("written " + n);
      }
      c.rollback();
      c.setAutoCommit(true);
    }
  }
}

/**
 * Names of variables that a client may or may not set (attack 107). Pure. The list of those that run code is what is known
 * and never complete, for any program may run what some variable of its own says: so whoever lists a name that is not known
 * to be harmless is told.
 */

/** They make a loader, a shell or an interpreter run code, or programs run or read files of their setter's. */
const known = new RegExp(
  `^(${[
    'LD_.*|DYLD_.*|LIBPATH|SHLIB_PATH|GLIBC_TUNABLES|MALLOC_.*|.*PATH|NLSPATH|IFS|ENV|HOME|SHELL|TMPDIR|TZDIR|LANGUAGE',
    'BASH.*|SHELLOPTS|PS[0-4]|PROMPT_COMMAND|HIST.*|INPUTRC|ZDOTDIR|FCEDIT|XDG_.*|TERMINFO.*|TERMCAP|SCREENRC|TMUX.*|FZF_.*',
    'PERL.*|PYTHON.*|RUBY.*|NODE_.*|_?JAVA_.*|JDK_.*|DOTNET_.*|R_.*|LUA_.*|PHP.*|TCL.*|GO.*|RUST.*|CARGO_.*|NPM_.*|PIP_.*',
    'GEM_.*|BUNDLE_.*|ERL_.*|ELIXIR_.*|JULIA_.*|GUILE_.*|EMACS.*|AWK.*|MAVEN_.*|M2_.*|GRADLE_.*|COMPOSER_.*|DENO_.*|BUN_.*|YARN_.*',
    'COREPACK_.*|ELECTRON_.*|GCC_.*|COMPILER_.*|CC|CXX|CPP|AR|AS|LD|.*FLAGS|.*_OPTS|.*_OPTIONS|VK_.*|OCL_.*|LIBVA_.*|GTK_.*|QT_.*|GIO_.*',
    'GIT_.*|SSH_.*|RSYNC_.*|MAKE.*|TAR_.*|GZIP|XZ_.*|ZSTD_.*|GREP_.*|KUBE.*|HELM_.*|TF_.*|DOCKER_.*|ANSIBLE_.*|OPENSSL_.*|SSL_.*|CURL_.*',
    'SVN_.*|CVS.*|HG.*|RCLONE_.*|RESTIC_.*|BORG_.*|APT_.*|DPKG_.*|DEBIAN_.*|DEBCONF_.*|DBUS_.*|SUDO_.*|MANROFFOPT|MORE|WGETRC|KRB5.*|SASL_.*',
    'ODBC.*|HOSTALIASES|RES_OPTIONS|LOCALDOMAIN|ICU_.*|.*PAGER|.*EDITOR|VISUAL|LESS.*|BROWSER|SYSTEMD_.*|BAT_.*|(G?VIM|EX)INIT|MYVIMRC|VIM.*',
    'PG.*|PSQL.*|MYSQL_.*|AWS_.*|GOOGLE_.*|.*_PROXY|.*(_COMMAND|PASSCOMMAND|_RSH|_SSH|ASKPASS|_PRELOAD|_EXTERNAL_DIFF)',
  ].join('|')})$`,
  'i',
)

/** What they change is how something looks. Of a locale the value is looked at too (`guard.ts`). */
const harmless =
  /^(LANG|LC_[A-Z]+|TZ|TERM|COLORTERM|NO_COLOR|FORCE_COLOR|CLICOLOR|CLICOLOR_FORCE|COLUMNS|LINES)$/

/** No list may name it. */
export function runsCode(name: string): boolean {
  return known.test(name)
}

/** It may be listed, and `postern check` says that nobody here knows what it does. */
export function unvouched(name: string): boolean {
  return !harmless.test(name)
}

# Each machine has a certificate of its own. What signs it is on no machine at all.
{ pkgs, config, ... }:
let
  openssl = "${pkgs.openssl}/bin/openssl";
  host = config.networking.hostName;

  # What openssl wants to know of a certificate, beside its key.
  about = name: ''
    set -e
    cat > about <<EOF
    [req]
    distinguished_name = name
    prompt = no
    [name]
    CN = ${name}
    [authority]
    basicConstraints = critical,CA:TRUE
    keyUsage = critical,keyCertSign,cRLSign
    subjectKeyIdentifier = hash
    [server]
    basicConstraints = critical,CA:FALSE
    extendedKeyUsage = serverAuth
    subjectAltName = DNS:${name}
    EOF
    key() { ${openssl} genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $out/key; }
    # With the key and certificate of the artifact $1, as a $2, for $3 days.
    sign() {
      ${openssl} req -new -config about -key $out/key -out request
      ${openssl} x509 -req -in request -CA $in/$1/cert -CAkey $in/$1/key -set_serial 0x$(${openssl} rand -hex 16) \
        -extfile about -extensions $2 -days $3 -out $out/cert
    }
  '';
in
{
  # One for all machines. The private half is for admins and for what is made from it: it is encrypted to no machine.
  artifacts.store.root-ca = {
    shared = true;
    files.key.deploy = false;
    files.cert.secret = false;
    generator = pkgs.writers.writeBash "root-ca" ''
      ${about "Example root"}
      key
      ${openssl} req -x509 -config about -extensions authority -key $out/key -days 7300 -out $out/cert
    '';
  };

  # It signs the machines' certificates, so that the root's key is used once in years.
  artifacts.store.intermediate-ca = {
    shared = true;
    files.key.deploy = false;
    files.cert.secret = false;
    dependencies = [ "root-ca" ];
    maxAge = "1825d";
    generator = pkgs.writers.writeBash "intermediate-ca" ''
      ${about "Example intermediate"}
      key
      sign root-ca authority 3650
    '';
  };

  # When the intermediate is made again, this is `stale (dependency)`, and `artifacts rotate --stale` replaces it after it.
  artifacts.store.tls = {
    files.key = { };
    files.cert.secret = false;
    dependencies = [ "intermediate-ca" ];
    maxAge = "365d";
    generator = pkgs.writers.writeBash "tls" ''
      ${about host}
      key
      sign intermediate-ca server 397
    '';
  };
}

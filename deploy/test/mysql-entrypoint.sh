#!/bin/sh
# Does what docker-compose.yml expects of the official image: a first start makes the database and its user.
set -eu
data=/var/lib/mysql
server="mariadbd --no-defaults --datadir=$data --socket=/run/mysqld/mysqld.sock"
if [ ! -d "$data/mysql" ]; then
    mariadb-install-db --no-defaults --datadir="$data" --auth-root-authentication-method=normal --skip-test-db >/dev/null
    # the statements of --init-file run before the server listens
    cat >"$data/first.sql" <<SQL
CREATE DATABASE \`$MYSQL_DATABASE\` CHARACTER SET utf8mb4;
CREATE USER '$MYSQL_USER'@'%' IDENTIFIED BY '$MYSQL_PASSWORD';
GRANT ALL ON \`$MYSQL_DATABASE\`.* TO '$MYSQL_USER'@'%';
ALTER USER 'root'@'localhost' IDENTIFIED BY '$MYSQL_ROOT_PASSWORD';
SQL
    server="$server --init-file=$data/first.sql"
fi
# shellcheck disable=SC2086  # the command is words
exec $server --bind-address=0.0.0.0 "$@"

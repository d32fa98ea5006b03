-- Run once, when the data folder is empty. The service's role owns its database and is no superuser;
-- the superuser loses its password, so that nobody is it over the network.
\set password `cat /run/secrets/coworking/DB_PASSWORD`
CREATE ROLE coworking LOGIN PASSWORD :'password';
CREATE DATABASE coworking OWNER coworking;
ALTER ROLE postgres PASSWORD NULL;

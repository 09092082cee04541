-- Run once, when PostgreSQL's volume is new. Dagster's database is made by the image.
create database ledger;

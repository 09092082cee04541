"""APSIS One: what happened to profiles, and to e-mails, as exports that are ordered and come later."""

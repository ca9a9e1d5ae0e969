"""How often a judge is right: public sets with labels, agreement with people, and calibration."""

"""Do samples hold what they must not hold?"""

"""Does the generator represent and treat groups as real data do?"""

"""Can records or people be found in what the generator makes?"""

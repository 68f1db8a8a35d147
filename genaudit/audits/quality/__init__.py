"""Are samples like real data, and as useful?"""

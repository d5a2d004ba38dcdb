"""The full screen: a Textual application that folds the event log and speaks through the one door."""

"""The faults that scenarios inflict on the machines of a lab, each with the proof that it hit and its way back."""

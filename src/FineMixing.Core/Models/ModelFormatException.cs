namespace FineMixing.Models;

/// <summary>A model folder is incomplete or contradicts itself; the message names the file and what was expected.</summary>
public sealed class ModelFormatException : Exception
{
    /// <summary>Describes the problem.</summary>
    public ModelFormatException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}

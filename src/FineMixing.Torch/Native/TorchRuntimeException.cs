namespace FineMixing.Torch.Native;

/// <summary>TorchSharp's native libraries cannot be loaded; the message says what is missing and what to do.</summary>
public sealed class TorchRuntimeException : Exception
{
    /// <summary>Describes what is missing and what to do.</summary>
    public TorchRuntimeException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}

namespace FineMixing.Torch.Native;

/// <summary>Gives freed memory back to the system when a piece of work ends; declared before what the work allocates.</summary>
internal readonly struct ReleasedMemory : IDisposable
{
    /// <inheritdoc/>
    public void Dispose() => MallocTuning.Release();
}

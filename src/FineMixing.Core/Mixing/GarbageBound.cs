namespace FineMixing.Mixing;

/// <summary>Has garbage collected when working threads have left so much of it: the collector itself waits until it is as much as the processor's cache holds, which may be more than all the rest of a mixing process.</summary>
/// <param name="bytes">The bound.</param>
/// <remarks>What other threads of the process allocate does not count. A collection keeps more memory than a few megabytes of garbage take, so a low bound costs more than it saves.</remarks>
internal sealed class GarbageBound(long bytes) : IDisposable
{
    private readonly ThreadLocal<long> _seen = new(GC.GetAllocatedBytesForCurrentThread);
    private long _left;

    /// <summary>Counts what the calling thread allocated since its last call.</summary>
    public void Note()
    {
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        var left = Interlocked.Add(ref _left, allocated - _seen.Value);
        _seen.Value = allocated;
        if (left < bytes || Interlocked.Exchange(ref _left, 0) < bytes)
            return;

        // The young generations where they lie: moving what is alive would take as much memory again.
        GC.Collect(1, GCCollectionMode.Forced, blocking: true, compacting: false);
    }

    public void Dispose() => _seen.Dispose();
}

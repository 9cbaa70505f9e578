using static TorchSharp.torch;

namespace FineMixing.Torch.FineTuning;

/// <summary>The number of threads libtorch uses for work started on this thread; put back on disposal.</summary>
internal sealed class TorchThreads : IDisposable
{
    private readonly int _before;

    private TorchThreads(int count)
    {
        _before = get_num_threads();
        Count = count == 0 ? Environment.ProcessorCount : count;
        if (Count != _before)
            set_num_threads(Count);
    }

    public int Count { get; }

    public static TorchThreads Use(int count)
    {
        Native.TorchRuntime.EnsureLoaded();
        return new TorchThreads(count);
    }

    public void Dispose()
    {
        if (Count != _before)
            set_num_threads(_before);
    }
}

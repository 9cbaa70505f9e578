using System.Runtime.InteropServices;
using FineMixing.Mixing;

namespace FineMixing.Benchmarks.Kernels;

/// <summary>Touched native memory with random finite numbers, split among threads by chunks.</summary>
internal sealed unsafe class Memory : IDisposable
{
    private const int ChunkBytes = 1 << 20;
    private readonly byte* _pointer;

    public Memory(long length, ulong seed)
    {
        Length = length;
        _pointer = (byte*)NativeMemory.AlignedAlloc((nuint)length, 4096);
        var key = RandomMask.TensorKey(seed, "memory");
        Chunks(Environment.ProcessorCount, (start, count) =>
        {
            var words = MemoryMarshal.Cast<byte, ulong>(Span(start, count));
            for (var i = 0; i < words.Length; i++)
                words[i] = MaskKernels.Word(key, (ulong)(start / 8) + (ulong)i) & 0xBFFF_BFFF_BFFF_BFFF;
        });
    }

    public long Length { get; }

    public Span<byte> Span(long start, int count) => new(_pointer + start, count);

    public void Chunks(int threads, Action<long, int> body) =>
        WorkerThreads.Run(Starts(), threads, start => body(start, (int)Math.Min(ChunkBytes, Length - start)), CancellationToken.None);

    public void Dispose() => NativeMemory.AlignedFree(_pointer);

    private IEnumerable<long> Starts()
    {
        for (long start = 0; start < Length; start += ChunkBytes)
            yield return start;
    }
}

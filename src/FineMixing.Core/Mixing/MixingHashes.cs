using System.Collections.Immutable;
using FineMixing.Checkpoints;
using FineMixing.Provenance;
using Microsoft.Win32.SafeHandles;

namespace FineMixing.Mixing;

/// <summary>Hashes the files that are mixed and the files that come out while they are mixed, so that what was just read or written is hashed from memory.</summary>
/// <remarks>A file is one long chain of hashing. The threads that mix push every chain on as far as the mixing has come; in the end they share what is left, the longest first.</remarks>
internal sealed class MixingHashes : IDisposable
{
    private const int PieceBytes = 1 << 20;

    private readonly HashChain[][] _inputs;
    private readonly List<HashChain> _outputs = [];
    private readonly ThreadLocal<byte[]> _buffer = new(() => GC.AllocateUninitializedArray<byte>(PieceBytes));

    /// <summary>Opens the files of the models.</summary>
    public MixingHashes(IEnumerable<ICheckpoint> models)
    {
        var opened = new List<HashChain[]>();
        foreach (var model in models)
            opened.Add([.. model.Files.Select(HashChain.Open)]);
        _inputs = [.. opened];
    }

    /// <summary>Starts the chain of an output file of a final length.</summary>
    public HashChain AddOutput(string name, SafeFileHandle file, long length)
    {
        var chain = new HashChain(name, file, length);
        _outputs.Add(chain);
        return chain;
    }

    /// <summary>Hashes as far as the mixing has come, leaving out what other threads are at.</summary>
    /// <param name="share">The share of the work that is done: about as much of every input is hashed.</param>
    /// <param name="output">The file that was written to.</param>
    /// <param name="written">Up to where it is written without gaps.</param>
    public void KeepUp(double share, HashChain output, long written)
    {
        foreach (var files in _inputs)
        {
            var limit = (long)(share * files.Sum(f => f.Length));
            foreach (var file in files)
            {
                Advance(file, limit);
                limit -= file.Length;
            }
        }

        Advance(output, written);
    }

    /// <summary>Hashes all that is left, the output's other files too.</summary>
    public void Complete(OutputTransaction output, int threads, CancellationToken ct)
    {
        var ordered = output.Files.Select(f => _outputs.Find(c => c.Name == f.Name) ?? new HashChain(f.Name, f.Handle, RandomAccess.GetLength(f.Handle))).ToList();
        _outputs.Clear();
        _outputs.AddRange(ordered);
        HashChain[] chains = [.. _outputs, .. _inputs.SelectMany(i => i)];
        WorkerThreads.Run(Enumerable.Range(0, Math.Min(threads, chains.Length)), threads, _ =>
        {
            // A thread that finds every chain in other hands is done: there are no more chains left than threads at them.
            while (chains.Where(c => c.Left > 0).OrderByDescending(c => c.Left).Any(c => c.TryAdvance(c.Length, _buffer.Value)))
                ct.ThrowIfCancellationRequested();
        }, ct);
    }

    /// <summary>The files of an input, once complete.</summary>
    public ImmutableArray<HashedFile> Input(int index) => [.. _inputs[index].Select(c => c.ToHashedFile())];

    /// <summary>The files of the output, once complete.</summary>
    public ImmutableArray<HashedFile> Outputs() => [.. _outputs.Select(c => c.ToHashedFile())];

    public void Dispose()
    {
        foreach (var chain in _outputs.Concat(_inputs.SelectMany(i => i)))
            chain.Dispose();
        _buffer.Dispose();
    }

    private void Advance(HashChain chain, long limit)
    {
        while (chain.TryAdvance(limit, _buffer.Value))
        {
            // As far as it goes.
        }
    }
}

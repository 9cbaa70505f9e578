using FineMixing.Benchmarks.Kernels;
using FineMixing.Torch.FineTuning;

namespace FineMixing.Benchmarks.Training;

/// <summary>Whether bfloat16 cases are worth running: without hardware their products are emulated, fifty times slower, and nobody would use them.</summary>
internal static class BFloat16
{
    public static bool Here => Hardware.CpuHasBFloat16;

    public static void SayIfMissing(Harness harness)
    {
        if (Here)
            return;
        harness.Line("bfloat16 cases are left out: this CPU multiplies no bfloat16 matrices (no AVX512-BF16, no AMX).");
        harness.Line("");
    }
}
